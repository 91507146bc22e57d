// Tries that fail, counted over distinct targets, and floods. Speed does not matter to a scan: each first contact moves a walk up
// where it fails and down where it is answered, so a try every ten minutes counts like a thousand a second. A flood is many
// tries or packets at one place in a minute that are not answered, against what the pair is used to.
import { type EventBatch, evidenceOf, FlowBatch, FlowPhase, FlowState, formatAddress, type Origin } from '#events';
import { type AssetRef, bitsToConfidence, type Finding, findingId, type Reason, type Subject } from '#findings';
import { addressHash, isGroupAddress } from '#lib/address';
import { packColumn, unpackColumn } from '#lib/snapshot';
import { type PackedPairs, PairTable } from '#lib/table';
import type { Detector, DetectorContext, DetectorKind } from '../contract.ts';
import { Outside } from '../outside.ts';
import { isFieldRole } from '../roles.ts';
import calibration from './calibration.json' with { type: 'json' };
import { CONTACTS_BITS, card, PAIRS_BITS, SOURCES_BITS, TOLD_MAX, VICTIMS_BITS } from './card.ts';
import { Spread } from './spread.ts';
import { weighFlood, weighTries, weighVictim } from './weigh.ts';

const c = calibration;
/** Roles whose tries are their work, or many hosts' behind one address. */
const exempt = /scanner|monitor|\bnat\b|nat-|firewall|router|proxy|resolver/i;
/** Ports that administer hosts or control plants. */
const sensitive = new Set([
  ...[21, 22, 23, 135, 139, 445, 1433, 2323, 3306, 3389, 5555, 5900, 5985, 5986, 7547],
  ...[102, 502, 1911, 2404, 4840, 20_000, 44_818, 47_808, 789, 1962, 9600],
]);
const failing = new Set<number>([FlowState.S0, FlowState.REJ, FlowState.RSTOS0, FlowState.SH, FlowState.RSTRH]);
const SUBJECT_HOSTS = { type: 'service', value: '' } as const;

export const scan: DetectorKind = { card, create: (context) => new Scans(context) };

interface Told {
  readonly origin: Origin;
  readonly firstPlace: number;
  readonly decisivePlace: number;
  readonly alertAt: number;
  readonly firstAt: number;
  bits: number;
  count: number;
}

class Scans implements Detector {
  readonly #context: DetectorContext;
  readonly #outside: Outside;
  readonly #sources = new PairTable(SOURCES_BITS);
  /** 0 a person's, 1 field, 2 exempt. */
  readonly #kind = new Uint8Array(2 ** SOURCES_BITS);
  readonly #walk = new Float32Array(2 ** SOURCES_BITS);
  readonly #failed = new Uint32Array(2 ** SOURCES_BITS);
  readonly #answered = new Uint32Array(2 ** SOURCES_BITS);
  readonly #sensitive = new Uint32Array(2 ** SOURCES_BITS);
  readonly #firstAt = new Float64Array(2 ** SOURCES_BITS);
  readonly #firstPlace = new Float64Array(2 ** SOURCES_BITS);
  readonly #lastAt = new Float64Array(2 ** SOURCES_BITS);
  readonly #looked = new Uint32Array(2 ** SOURCES_BITS);
  readonly #hosts = new Spread(2 ** SOURCES_BITS);
  readonly #ports = new Spread(2 ** SOURCES_BITS);
  /** First contacts already judged: source, target and port. */
  readonly #contacts = new PairTable(CONTACTS_BITS);
  /** Floods by source and target. */
  readonly #pairs = new PairTable(PAIRS_BITS);
  readonly #pairAt = new Float64Array(2 ** PAIRS_BITS);
  readonly #pairTries = new Uint32Array(2 ** PAIRS_BITS);
  readonly #pairPackets = new Float64Array(2 ** PAIRS_BITS);
  readonly #pairUsual = new Float64Array(2 ** PAIRS_BITS);
  readonly #pairPlace = new Float64Array(2 ** PAIRS_BITS);
  readonly #pairLooked = new Float64Array(2 ** PAIRS_BITS);
  /** Targets: who floods them (up to four), and what is unanswered at those of ours. */
  readonly #victims = new PairTable(VICTIMS_BITS);
  readonly #victimAt = new Float64Array(2 ** VICTIMS_BITS);
  readonly #victimTries = new Uint32Array(2 ** VICTIMS_BITS);
  readonly #victimUsual = new Uint32Array(2 ** VICTIMS_BITS);
  readonly #victimPlace = new Float64Array(2 ** VICTIMS_BITS);
  readonly #victimSources = new Spread(2 ** VICTIMS_BITS);
  readonly #flooders = new Uint32Array(4 * 2 ** VICTIMS_BITS);
  readonly #flooderAt = new Float64Array(4 * 2 ** VICTIMS_BITS);
  readonly #told = new Map<string, Told>();
  #toldShed = 0;

  constructor(context: DetectorContext) {
    this.#context = context;
    this.#outside = new Outside(context.city);
  }

  get shed(): number {
    return this.#sources.shed + this.#contacts.shed + this.#pairs.shed + this.#victims.shed + this.#toldShed;
  }

  observe(batch: EventBatch): void {
    if (!(batch instanceof FlowBatch)) return;
    for (let i = 0; i < batch.count; i++) {
      const phase = batch.phase[i]!;
      if (phase === FlowPhase.Open || isGroupAddress(batch.addresses, 8 * i + 4)) continue;
      const answered = batch.responderPackets[i]! > 0 || batch.responderPayloadBytes[i]! > 0;
      if (phase === FlowPhase.Update) {
        // A flood in one flow shows before the flow ends.
        if (batch.originatorPackets[i]! < c.floodPacketsMin / 4 || !this.#isOneSided(batch, i)) continue;
      }
      const ours = this.#outside.isOurs(batch.addresses, 8 * i);
      const protocol = batch.protocol[i]!;
      if (phase === FlowPhase.Close) {
        const fails = protocol === 6 ? failing.has(batch.state[i]!) : protocol === 17 && !answered;
        if (ours && (protocol === 6 || protocol === 17)) this.#contact(batch, i, fails);
        if (fails && protocol === 6 && this.#outside.isOurs(batch.addresses, 8 * i + 4)) this.#victim(batch, i);
        if (ours && (fails || this.#isOneSided(batch, i))) this.#flood(batch, i, fails && protocol === 6);
      } else if (ours) this.#flood(batch, i, false);
    }
  }

  #isOneSided(batch: FlowBatch, i: number): boolean {
    return batch.originatorPackets[i]! > 20 * batch.responderPackets[i]!;
  }

  #source(batch: FlowBatch, i: number, hash: number): number {
    let slot = this.#sources.find(hash, 1);
    if (slot >= 0) return slot;
    slot = this.#sources.insert(hash, 1);
    const role = this.#context.city.assetByAddress(batch.addresses, 8 * i)?.role ?? '';
    this.#kind[slot] = exempt.test(role) ? 2 : isFieldRole(role) ? 1 : 0;
    this.#restart(slot, batch, i);
    return slot;
  }

  #restart(slot: number, batch: FlowBatch, i: number): void {
    this.#walk[slot] = 0;
    this.#failed[slot] = 0;
    this.#answered[slot] = 0;
    this.#sensitive[slot] = 0;
    this.#firstAt[slot] = batch.firstAt[i]!;
    this.#firstPlace[slot] = batch.place[i]!;
    this.#lastAt[slot] = batch.firstAt[i]!;
    this.#looked[slot] = 0;
    this.#hosts.clear(slot);
    this.#ports.clear(slot);
  }

  #contact(batch: FlowBatch, i: number, fails: boolean): void {
    const hash = addressHash(batch.addresses, 8 * i);
    const slot = this.#source(batch, i, hash);
    if (this.#kind[slot] === 2) return;
    const host = addressHash(batch.addresses, 8 * i + 4);
    const port = batch.responderPort[i]!;
    const target = (Math.imul(host ^ port, 0x85ebca6b) ^ (port << 16) ^ batch.protocol[i]!) >>> 0;
    if (this.#contacts.find(hash, target) >= 0) return;
    const contact = this.#contacts.insert(hash, target);
    // The oldest contact of a bucket goes first.
    this.#contacts.setWeight(contact, batch.at[i]! / 1e6 - 1.5e9);
    if (!fails) {
      this.#answered[slot]! += 1;
      this.#walk[slot] = Math.max(0, this.#walk[slot]! - c.answerBits);
      // Back at the start: what failed before was chance.
      if (this.#walk[slot] === 0) this.#restart(slot, batch, i);
      return;
    }
    if (this.#failed[slot] === 0 || batch.firstAt[i]! - this.#lastAt[slot]! > c.forgetMicros)
      this.#restart(slot, batch, i);
    this.#lastAt[slot] = Math.max(this.#lastAt[slot]!, batch.firstAt[i]!);
    this.#failed[slot]! += 1;
    if (sensitive.has(port)) this.#sensitive[slot]! += 1;
    this.#walk[slot] = Math.min(c.walkMax, this.#walk[slot]! + c.failBits);
    this.#hosts.add(slot, host);
    this.#ports.add(slot, Math.imul(port + 1, 0x85ebca6b) >>> 0);
    this.#sources.setWeight(slot, this.#failed[slot]!);
    if (this.#walk[slot]! < c.walkMin || this.#failed[slot]! < 1.1 * this.#looked[slot]!) return;
    this.#looked[slot] = this.#failed[slot]!;
    this.#judgeTries(batch, i, slot);
  }

  #judgeTries(batch: FlowBatch, i: number, slot: number): void {
    const known = this.#context.city.assetByAddress(batch.addresses, 8 * i);
    const { bits, reasons, how } = weighTries({
      walk: this.#walk[slot]!,
      hosts: this.#hosts.count(slot),
      ports: this.#ports.count(slot),
      failed: this.#failed[slot]!,
      answered: this.#answered[slot]!,
      sensitive: 2 * this.#sensitive[slot]! > this.#failed[slot]!,
      field: this.#kind[slot] === 1,
      role: known?.role ?? '',
      spanMicros: this.#lastAt[slot]! - this.#firstAt[slot]!,
    });
    if (bits < c.mediumBits) return;
    const ip = formatAddress(batch.addresses, 8 * i);
    const to = formatAddress(batch.addresses, 8 * i + 4);
    const one = how === 'ports';
    this.#claim(batch, i, {
      key: `${ip} ${how}`,
      asset: this.#assetOf(ip),
      subject: one ? { type: 'ip', value: to } : { ...SUBJECT_HOSTS, value: `port ${batch.responderPort[i]}` },
      bits,
      reasons,
      title: one
        ? `${known?.id ?? ip} tries the ports of ${to} one after the other`
        : `${known?.id ?? ip} tries many hosts that do not answer`,
      techniques: one ? ['T1046'] : ['T1046', 'T1018'],
      firstPlace: this.#firstPlace[slot]!,
      firstAt: this.#firstAt[slot]!,
      count: this.#failed[slot]!,
      trustBits: bits,
      record: { type: 'nft', record: `add element inet parapet quarantine { ${ip} timeout 4h }` },
    });
  }

  #flood(batch: FlowBatch, i: number, isTry: boolean): void {
    const hash = addressHash(batch.addresses, 8 * i);
    const source = this.#source(batch, i, hash);
    if (this.#kind[source] === 2) return;
    const host = addressHash(batch.addresses, 8 * i + 4);
    const key = isTry ? (host ^ Math.imul(batch.responderPort[i]! + 1, 0x9e3779b1)) >>> 0 : host;
    const at = batch.at[i]!;
    let slot = this.#pairs.find(hash, key);
    if (slot < 0) {
      slot = this.#pairs.insert(hash, key);
      this.#pairUsual[slot] = 0;
      this.#turnPair(slot, batch, i);
    } else if (at - this.#pairAt[slot]! >= c.floodWindowMicros) {
      const before = Math.max(this.#pairTries[slot]!, this.#pairPackets[slot]!);
      // What was told as a flood is nobody's habit.
      if (this.#pairLooked[slot] === 0) this.#pairUsual[slot] = Math.max(before, 0.99 * this.#pairUsual[slot]!);
      this.#turnPair(slot, batch, i);
    }
    if (isTry) this.#pairTries[slot]! += 1;
    if (!isTry || batch.originatorPackets[i]! > 20) {
      // The part of a long flow that falls into a minute.
      const lasted = Math.max(1, batch.lastAt[i]! - batch.firstAt[i]!);
      const share = Math.min(1, c.floodWindowMicros / lasted);
      const packets = batch.originatorPackets[i]! * share;
      this.#pairPackets[slot] =
        batch.phase[i] === FlowPhase.Update
          ? Math.max(this.#pairPackets[slot]!, packets)
          : this.#pairPackets[slot]! + packets;
    }
    const amount = Math.max(this.#pairTries[slot]! * (c.floodPacketsMin / c.floodTriesMin), this.#pairPackets[slot]!);
    this.#pairs.setWeight(slot, amount);
    if (amount < c.floodPacketsMin || amount < 1.5 * this.#pairLooked[slot]!) return;
    const now = Math.max(this.#pairTries[slot]!, this.#pairPackets[slot]!);
    if (now < c.floodUsualRatio * this.#pairUsual[slot]!) return;
    this.#pairLooked[slot] = amount;
    const others = this.#floodersOf(host, hash, at) - 1;
    const known = this.#context.city.assetByAddress(batch.addresses, 8 * i);
    const { bits, reasons } = weighFlood({
      tries: this.#pairTries[slot]!,
      packets: this.#pairPackets[slot]!,
      field: this.#kind[source] === 1,
      role: known?.role ?? '',
      others,
    });
    if (bits < c.mediumBits) return;
    const ip = formatAddress(batch.addresses, 8 * i);
    const to = formatAddress(batch.addresses, 8 * i + 4);
    this.#claim(batch, i, {
      key: `${ip} flood ${to}`,
      asset: this.#assetOf(ip),
      subject: { type: 'ip', value: to },
      bits,
      reasons,
      title: `${known?.id ?? ip} floods ${to}${others > 0 ? `, with ${others} others of the city` : ''}`,
      techniques: ['T1498.001'],
      firstPlace: this.#pairPlace[slot]!,
      firstAt: Math.min(batch.firstAt[i]!, this.#pairAt[slot]!),
      count: this.#pairTries[slot]! + Math.round(this.#pairPackets[slot]!),
      trustBits: bits,
      record: { type: 'nft', record: `add element inet parapet denied { ${ip} . ${to} timeout 4h }` },
    });
  }

  #turnPair(slot: number, batch: FlowBatch, i: number): void {
    this.#pairAt[slot] = batch.at[i]!;
    this.#pairTries[slot] = 0;
    this.#pairPackets[slot] = 0;
    this.#pairLooked[slot] = 0;
    this.#pairPlace[slot] = batch.place[i]!;
  }

  #target(host: number, batchAt: number): number {
    let slot = this.#victims.find(host, 1);
    if (slot >= 0) return slot;
    slot = this.#victims.insert(host, 1);
    this.#victimAt[slot] = batchAt;
    this.#victimTries[slot] = 0;
    this.#victimUsual[slot] = 0;
    this.#victimSources.clear(slot);
    this.#flooders.fill(0, 4 * slot, 4 * slot + 4);
    return slot;
  }

  /** Remembers who floods a place. @returns hosts that do within five minutes, at most four */
  #floodersOf(host: number, source: number, at: number): number {
    const slot = this.#target(host, at);
    let count = 0;
    let free = -1;
    let found = false;
    for (let k = 4 * slot; k < 4 * slot + 4; k++) {
      if (this.#flooders[k] === source) {
        this.#flooderAt[k] = at;
        found = true;
      } else if (this.#flooders[k] === 0 || at - this.#flooderAt[k]! > 5 * c.floodWindowMicros) {
        if (free < 0) free = k;
        continue;
      }
      count += 1;
    }
    if (!found && free >= 0) {
      this.#flooders[free] = source;
      this.#flooderAt[free] = at;
      count += 1;
    }
    return Math.max(1, count);
  }

  #victim(batch: FlowBatch, i: number): void {
    const at = batch.at[i]!;
    const service = Math.imul(batch.responderPort[i]! + 1, 0x9e3779b1);
    const slot = this.#target((addressHash(batch.addresses, 8 * i + 4) ^ service) >>> 0 || 1, at);
    if (at - this.#victimAt[slot]! >= c.victimWindowMicros) {
      if (this.#victimTries[slot]! < c.victimTriesMin)
        this.#victimUsual[slot] = Math.max(this.#victimTries[slot]!, Math.floor(0.99 * this.#victimUsual[slot]!));
      this.#victimAt[slot] = at;
      this.#victimTries[slot] = 0;
      this.#victimSources.clear(slot);
    }
    if (this.#victimTries[slot] === 0) this.#victimPlace[slot] = batch.place[i]!;
    this.#victimTries[slot]! += 1;
    this.#victimSources.add(slot, addressHash(batch.addresses, 8 * i));
    const tries = this.#victimTries[slot]!;
    this.#victims.setWeight(slot, Math.max(this.#victims.weight(slot), tries));
    if (tries < c.victimTriesMin || (tries & (tries - 1) && tries !== c.victimTriesMin)) return;
    const { bits, reasons } = weighVictim(tries, this.#victimUsual[slot]!, this.#victimSources.count(slot));
    // One source is told at the source.
    if (bits < c.mediumBits || this.#victimSources.count(slot) < 4) return;
    const ip = formatAddress(batch.addresses, 8 * i + 4);
    const known = this.#context.city.assetByIp(ip);
    this.#claim(batch, i, {
      key: `${ip} victim`,
      asset: this.#assetOf(ip),
      subject: { type: 'service', value: `tcp/${batch.responderPort[i]}` },
      bits,
      reasons,
      title: `${known?.id ?? ip} is flooded at port ${batch.responderPort[i]}`,
      techniques: ['T1499', 'T1498.001'],
      firstPlace: this.#victimPlace[slot]!,
      firstAt: Math.min(this.#victimAt[slot]!, batch.firstAt[i]!),
      count: tries,
      // A victim's data are its own still.
      trustBits: 0,
      // Whom to shut out is told where a source is ours; strangers by the hundred are the border's to limit.
      record: undefined,
    });
  }

  #assetOf(ip: string): AssetRef {
    const known = this.#context.city.assetByIp(ip);
    return known === undefined ? { ip } : { id: known.id, ip, ...(known.role === '' ? {} : { role: known.role }) };
  }

  #claim(
    batch: FlowBatch,
    i: number,
    w: {
      key: string;
      asset: AssetRef;
      subject: Subject;
      bits: number;
      reasons: Reason[];
      title: string;
      techniques: string[];
      firstPlace: number;
      firstAt: number;
      count: number;
      trustBits: number;
      record: Finding['response'][number] | undefined;
    },
  ): void {
    const at = Math.max(batch.at[i]!, batch.firstAt[i]!);
    let told = this.#told.get(w.key);
    if (told === undefined || at - told.alertAt > 86_400e6) {
      if (this.#told.size >= TOLD_MAX) {
        this.#told.delete(this.#told.keys().next().value!);
        this.#toldShed += 1;
      }
      told = {
        origin: { file: batch.origin.file, placed: batch.origin.placed },
        firstPlace: w.firstPlace,
        decisivePlace: batch.place[i]!,
        alertAt: at,
        firstAt: w.firstAt,
        bits: 0,
        count: 0,
      };
      this.#told.set(w.key, told);
    }
    told.bits = Math.max(told.bits, w.bits);
    told.count = Math.max(told.count, w.count);
    const first = evidenceOf(told.origin, told.firstPlace);
    const same = batch.origin.file === told.origin.file;
    const places = new Set([told.firstPlace, told.decisivePlace, ...(same ? [batch.place[i]!] : [])]);
    // One finding by way of trying, whatever port or host came last: the subject is that of the first.
    const subject = w.key.endsWith('hosts')
      ? ({ type: 'asset', value: w.asset.id ?? w.asset.ip! } as const)
      : w.subject;
    this.#context.claim({
      kind: 'finding',
      id: findingId(card.name, { type: 'asset', value: w.key }, w.asset, first),
      plane: card.plane,
      detector: card.name,
      family: card.family,
      title: w.title,
      severity: told.bits >= c.highBits ? 'high' : 'medium',
      confidence: Number(bitsToConfidence(told.bits, c.priorBits).toPrecision(5)),
      bits: Number(told.bits.toFixed(2)),
      ...(w.trustBits === 0 ? { trustBits: 0 } : {}),
      asset: w.asset,
      subject,
      firstAt: Math.min(told.firstAt, told.alertAt),
      at: told.alertAt,
      lastAt: Math.max(at, told.alertAt),
      techniques: w.techniques,
      reasons: w.reasons,
      evidence: [...places].map((p) => evidenceOf(told.origin, p)),
      count: told.count,
      response: w.record === undefined ? [] : [w.record],
    });
  }

  advance(): void {}

  #columns(): ArrayBufferView[] {
    return [
      ...[this.#kind, this.#walk, this.#failed, this.#answered, this.#sensitive, this.#firstAt, this.#firstPlace],
      ...[this.#lastAt, this.#looked, this.#hosts.words, this.#ports.words],
      ...[this.#pairAt, this.#pairTries, this.#pairPackets, this.#pairUsual, this.#pairPlace, this.#pairLooked],
      ...[this.#victimAt, this.#victimTries, this.#victimUsual, this.#victimPlace, this.#victimSources.words],
      ...[this.#flooders, this.#flooderAt],
    ];
  }

  snapshot(): unknown {
    return {
      version: 1,
      columns: this.#columns().map(packColumn),
      sources: this.#sources.pack(),
      contacts: this.#contacts.pack(),
      pairs: this.#pairs.pack(),
      victims: this.#victims.pack(),
      told: [...this.#told],
      toldShed: this.#toldShed,
    };
  }

  restore(state: unknown): void {
    const s = state as Record<string, unknown> & { version: number; columns: string[]; told: [string, Told][] };
    if (s.version !== 1) throw new Error(`scan: state of version ${s.version} is not known`);
    for (const [k, column] of this.#columns().entries()) unpackColumn(s.columns[k], column);
    this.#sources.unpack(s.sources as PackedPairs);
    this.#contacts.unpack(s.contacts as PackedPairs);
    this.#pairs.unpack(s.pairs as PackedPairs);
    this.#victims.unpack(s.victims as PackedPairs);
    this.#told.clear();
    for (const [key, told] of s.told) this.#told.set(key, { ...told });
    this.#toldShed = s.toldShed as number;
  }
}
