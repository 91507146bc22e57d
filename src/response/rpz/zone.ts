// The policy zone that is served: an apex of SOA and NS localhost. alone (more broke resolvers: NLnetLabs/unbound#1404,
// #1439), the published records as zone-file text, a serial that only rises, and the last steps for IXFR (RFC 1995).
import { isIPv4 } from 'node:net';
import { parseAddress } from '#lib/address';
import type { KeptZone, ZoneStep } from '../ledger.ts';
import { canonicalName, type NewRecord, Type, wireName } from '../wire/index.ts';
import { clientOf, outcomeLines, type Rule } from './rule.ts';
import { nextSerial, serialIsLater } from './serial.ts';

/** Steps kept for IXFR; who is further behind gets the whole zone. */
export const JOURNAL_STEPS_MAX = 256;
/** Records of all steps kept. */
export const JOURNAL_RECORDS_MAX = 65_536;
/** Rules published at once. */
export const RULES_MAX = 50_000;

export interface ZoneSettings {
  /** Canonical name. */
  readonly name: string;
  /** 5 to 30: how long a resolver may go on giving the answer after an undo. */
  readonly ttlSeconds: number;
}

export class PolicyZone {
  readonly name: string;
  readonly ttlSeconds: number;
  /** Names below it answer AAAA with the serial that the resolver asked has applied: `*.serial.<zone>.internal`. Not `invalid`
   * or `test`: Unbound answers those itself, before any policy. */
  readonly marker: string;
  #serial: number | undefined;
  #lines: readonly string[] = [];
  #journal: ZoneStep[] = [];

  constructor(settings: ZoneSettings, kept?: KeptZone) {
    this.name = settings.name;
    this.ttlSeconds = settings.ttlSeconds;
    this.marker = markerName(settings.name);
    if (kept === undefined) return;
    this.#serial = kept.serial;
    this.#lines = kept.records;
    this.#journal = [...kept.journal];
    this.#trim();
  }

  /** 0 before the first `publish`. */
  get serial(): number {
    return this.#serial ?? 0;
  }
  /** Records below the apex, as zone-file text relative to the zone, sorted. */
  get lines(): readonly string[] {
    return this.#lines;
  }
  get journal(): readonly ZoneStep[] {
    return this.#journal;
  }

  /** The change that publishing these arranged rules would be; nothing is changed yet. The marker makes it never empty. */
  plan(rules: readonly Rule[], atMicros: number): { step: ZoneStep; lines: readonly string[] } {
    const to = nextSerial(this.#serial, atMicros / 1e6);
    const lines = rules.flatMap((r) => outcomeLines(r.outcome).map((text) => `${r.owner} ${text}`));
    lines.push(
      `*.${this.marker} AAAA ${markerAddress(to)}`,
      `*.${witnessName(this.name, to)} AAAA ${markerAddress(to)}`,
    );
    lines.sort();
    const before = new Set(this.#lines);
    const after = new Set(lines);
    const removed = this.#lines.filter((l) => !after.has(l));
    const added = lines.filter((l) => !before.has(l));
    return { step: { from: this.serial, to, removed, added }, lines };
  }

  /** Makes a planned change the zone's state. */
  apply(plan: { step: ZoneStep; lines: readonly string[] }): void {
    this.#lines = plan.lines;
    // The first state has no predecessor to differ from.
    if (this.#serial !== undefined) this.#journal.push(plan.step);
    this.#serial = plan.step.to;
    this.#trim();
  }

  /** SOA as of a serial: refresh is the poll of consumers without NOTIFY, expire how long they keep the rules without us. */
  soa(serial = this.serial): NewRecord {
    const tail = Buffer.alloc(20);
    for (const [i, value] of [serial, REFRESH_SECONDS, RETRY_SECONDS, EXPIRE_SECONDS, this.ttlSeconds].entries())
      tail.writeUInt32BE(value, 4 * i);
    const data = Buffer.concat([wireName('localhost'), wireName('hostmaster.localhost'), tail]);
    return { name: this.name, type: Type.SOA, ttl: this.ttlSeconds, data };
  }
  ns(): NewRecord {
    return { name: this.name, type: Type.NS, ttl: this.ttlSeconds, data: wireName('localhost') };
  }

  /** The whole zone (RFC 5936, 2.2): SOA, all else, SOA. */
  *full(): Generator<NewRecord> {
    const lines = this.#lines;
    const soa = this.soa();
    yield soa;
    yield this.ns();
    for (const line of lines) yield this.record(line);
    yield soa;
  }

  /** The steps from a serial to ours, or undefined where the journal doesn't reach back to it or the zone is shorter. */
  stepsFrom(serial: number): readonly ZoneStep[] | undefined {
    const first = this.#journal.findIndex((s) => s.from === serial);
    if (first < 0) return undefined;
    const steps = this.#journal.slice(first);
    return size(steps) > this.#lines.length + 16 ? undefined : steps;
  }
  /** RFC 1995, 4: the new SOA, then for each step the old SOA, what went, the next SOA, what came; the new SOA. */
  *incremental(steps: readonly ZoneStep[]): Generator<NewRecord> {
    const soa = this.soa();
    yield soa;
    for (const step of steps) {
      yield this.soa(step.from);
      for (const line of step.removed) yield this.record(line);
      yield this.soa(step.to);
      for (const line of step.added) yield this.record(line);
    }
    yield soa;
  }
  isNewerThan(serial: number): boolean {
    return serialIsLater(this.serial, serial);
  }

  /** `owner TYPE value` as a record. */
  record(line: string): NewRecord {
    const [owner, type, value] = line.split(' ') as [string, 'A' | 'AAAA' | 'CNAME', string];
    return { name: `${owner}.${this.name}`, type: Type[type], ttl: this.ttlSeconds, data: rdata(type, value) };
  }

  /** A zone file (RFC 1035, 5); SOA first, as Knot Resolver wants it. */
  text(): string {
    const timers = `${this.serial} ${REFRESH_SECONDS} ${RETRY_SECONDS} ${EXPIRE_SECONDS} ${this.ttlSeconds}`;
    const apex = [
      `$ORIGIN ${this.name}.`,
      `$TTL ${this.ttlSeconds}`,
      `${this.name}. SOA localhost. hostmaster.localhost. ${timers}`,
      `${this.name}. NS localhost.`,
    ];
    return `${[...apex, ...this.#lines].join('\n')}\n`;
  }

  #trim(): void {
    // Unbound 1.17 takes a client trigger in by IXFR but not out: the client would stay shut out. A whole zone clears it.
    const removal = this.#journal.findLastIndex((s) => s.removed.some((l) => clientOf(l.split(' ')[0]!) !== undefined));
    this.#journal.splice(0, removal + 1);
    let over = size(this.#journal) - JOURNAL_RECORDS_MAX;
    let drop = Math.max(0, this.#journal.length - JOURNAL_STEPS_MAX);
    for (let i = 0; i < drop; i++) over -= stepSize(this.#journal[i]!);
    while (over > 0 && drop < this.#journal.length) over -= stepSize(this.#journal[drop++]!);
    this.#journal.splice(0, drop);
  }
}

// Consumers that are notified don't wait for these; the others poll each 5 s.
const REFRESH_SECONDS = 5;
const RETRY_SECONDS = 5;
/** A Parapet that is gone for a day no longer refuses anything. */
const EXPIRE_SECONDS = 86_400;

const stepSize = (step: ZoneStep): number => step.removed.length + step.added.length + 2;
const size = (steps: readonly ZoneStep[]): number => steps.reduce((sum, s) => sum + stepSize(s), 0);

function rdata(type: 'A' | 'AAAA' | 'CNAME', value: string): Buffer {
  if (type === 'CNAME') return value === '*.' ? wireName('*') : wireName(canonicalName(value)!);
  const words = new Uint32Array(4);
  parseAddress(value, words, 0);
  const bytes = Buffer.alloc(16);
  for (let i = 0; i < 4; i++) bytes.writeUInt32BE(words[i]!, 4 * i);
  return isIPv4(value) ? bytes.subarray(12) : bytes;
}

/** Below it every name tells the newest serial that the resolver has, through the policy itself. */
export const markerName = (zone: string): string => `serial.${zone}.internal`;
/**
 * Below it names are answered only once the rules of this serial are in force. BIND finds an old rule's new data at once, and a
 * new rule up to min-update-interval later: the marker alone would speak too early.
 */
export const witnessName = (zone: string, serial: number): string => `n${serial}.witness.${zone}.internal`;

/** A serial as an address of the documentation range (RFC 3849), so that nobody is ever reached by it. */
export function markerAddress(serial: number): string {
  return `2001:db8:0:1:0:1:${(serial >>> 16).toString(16)}:${(serial & 0xffff).toString(16)}`;
}
/** The serial in a marker's rdata, or undefined where it is none. */
export function markerSerial(data: Buffer): number | undefined {
  if (data.length !== 16 || data.subarray(0, 12).toString('hex') !== '20010db80000000100000001') return undefined;
  return data.readUInt32BE(12);
}
