// Tries that fail, counted over distinct targets (sources.ts), and floods: many tries or packets at one place in a minute that are
// not answered, told at who sends them (floods.ts) and at who suffers them (victims.ts).
import { type EventBatch, evidenceOf, FlowBatch, FlowPhase, FlowState, formatAddress } from '#events';
import { addressHash, isGroupAddress } from '#lib/address';
import { packColumn, unpackColumn } from '#lib/snapshot';
import type { PackedPairs } from '#lib/table';
import { assetOf, type Claim, findingOf } from '../claim.ts';
import type { Detector, DetectorContext, DetectorKind } from '../contract.ts';
import { Outside } from '../outside.ts';
import { type Told, ToldByKey } from '../told.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card, TOLD_MAX } from './card.ts';
import { Floods } from './floods.ts';
import { Kind, Sources } from './sources.ts';
import { Victims } from './victims.ts';
import { weighFlood, weighTries, weighVictim } from './weigh.ts';

const c = calibration;
const failing = new Set<number>([FlowState.S0, FlowState.REJ, FlowState.RSTOS0, FlowState.SH, FlowState.RSTRH]);

export const scan: DetectorKind = { card, create: (context) => new Scans(context) };

interface ToldTries extends Told {
  count: number;
}

type Seen = Omit<Claim, 'asset' | 'at' | 'lastAt' | 'evidence'> & {
  readonly key: string;
  readonly ip: string;
  readonly firstPlace: number;
};

class Scans implements Detector {
  readonly #context: DetectorContext;
  readonly #outside: Outside;
  readonly #sources: Sources;
  readonly #floods = new Floods();
  readonly #victims = new Victims();
  /** After a day it is told as another. */
  readonly #told = new ToldByKey<ToldTries>(TOLD_MAX, 86_400e6);

  constructor(context: DetectorContext) {
    this.#context = context;
    this.#outside = new Outside(context.city);
    this.#sources = new Sources(context.city);
  }

  get shed(): number {
    const { table, contacts } = this.#sources;
    return table.shed + contacts.shed + this.#floods.table.shed + this.#victims.table.shed + this.#told.shed;
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

  #contact(batch: FlowBatch, i: number, fails: boolean): void {
    const s = this.#sources;
    const slot = s.contact(batch, i, fails);
    if (slot < 0) return;
    const known = this.#context.city.assetByAddress(batch.addresses, 8 * i);
    const { bits, reasons, how } = weighTries({
      walk: s.walk[slot]!,
      hosts: s.hosts.count(slot),
      ports: s.ports.count(slot),
      failed: s.failed[slot]!,
      answered: s.answered[slot]!,
      sensitive: 2 * s.sensitive[slot]! > s.failed[slot]!,
      field: s.kind[slot] === Kind.Field,
      role: known?.role ?? '',
      spanMicros: s.lastAt[slot]! - s.firstAt[slot]!,
    });
    if (bits < c.mediumBits) return;
    const ip = formatAddress(batch.addresses, 8 * i);
    const to = formatAddress(batch.addresses, 8 * i + 4);
    const who = known?.id ?? ip;
    const one = how === 'ports';
    this.#claim(batch, i, {
      key: `${ip} ${how}`,
      ip,
      subject: one ? { type: 'ip', value: to } : { type: 'asset', value: who },
      bits,
      reasons,
      title: one ? `${who} tries the ports of ${to} one after the other` : `${who} tries many hosts that do not answer`,
      techniques: one ? ['T1046'] : ['T1046', 'T1018'],
      firstPlace: s.firstPlace[slot]!,
      firstAt: s.firstAt[slot]!,
      count: s.failed[slot]!,
      response: [{ type: 'nft', record: `add element inet parapet quarantine { ${ip} timeout 4h }` }],
    });
  }

  #flood(batch: FlowBatch, i: number, isTry: boolean): void {
    const f = this.#floods;
    const hash = addressHash(batch.addresses, 8 * i);
    const source = this.#sources.slotOf(batch, i, hash);
    if (this.#sources.kind[source] === Kind.Exempt) return;
    const slot = f.add(batch, i, isTry);
    if (slot < 0) return;
    const others = this.#victims.floodersOf(addressHash(batch.addresses, 8 * i + 4), hash, batch.at[i]!) - 1;
    const known = this.#context.city.assetByAddress(batch.addresses, 8 * i);
    const { bits, reasons } = weighFlood({
      tries: f.tries[slot]!,
      packets: f.packets[slot]!,
      field: this.#sources.kind[source] === Kind.Field,
      role: known?.role ?? '',
      others,
    });
    if (bits < c.mediumBits) return;
    const ip = formatAddress(batch.addresses, 8 * i);
    const to = formatAddress(batch.addresses, 8 * i + 4);
    this.#claim(batch, i, {
      key: `${ip} flood ${to}`,
      ip,
      subject: { type: 'ip', value: to },
      bits,
      reasons,
      title: `${known?.id ?? ip} floods ${to}${others > 0 ? `, with ${others} others of the city` : ''}`,
      techniques: ['T1498.001'],
      firstPlace: f.place[slot]!,
      firstAt: Math.min(batch.firstAt[i]!, f.at[slot]!),
      count: f.tries[slot]! + Math.round(f.packets[slot]!),
      response: [{ type: 'nft', record: `add element inet parapet denied { ${ip} . ${to} timeout 4h }` }],
    });
  }

  #victim(batch: FlowBatch, i: number): void {
    const v = this.#victims;
    const slot = v.add(batch, i);
    if (slot < 0) return;
    const sources = v.sources.count(slot);
    const { bits, reasons } = weighVictim(v.tries[slot]!, v.usual[slot]!, sources);
    // One source is told at the source.
    if (bits < c.mediumBits || sources < 4) return;
    const ip = formatAddress(batch.addresses, 8 * i + 4);
    this.#claim(batch, i, {
      key: `${ip} victim`,
      ip,
      subject: { type: 'service', value: `tcp/${batch.responderPort[i]}` },
      bits,
      // A victim's data are its own still.
      trustBits: 0,
      reasons,
      title: `${this.#context.city.assetByIp(ip)?.id ?? ip} is flooded at port ${batch.responderPort[i]}`,
      techniques: ['T1499', 'T1498.001'],
      firstPlace: v.place[slot]!,
      firstAt: Math.min(v.at[slot]!, batch.firstAt[i]!),
      count: v.tries[slot]!,
      // Whom to shut out is told where a source is ours; strangers by the hundred are the border's to limit.
      response: [],
    });
  }

  #claim(batch: FlowBatch, i: number, seen: Seen): void {
    const { key, subject, bits, trustBits, title, techniques, reasons, firstPlace, firstAt, count, response } = seen;
    const at = Math.max(batch.at[i]!, batch.firstAt[i]!);
    const place = batch.place[i]!;
    const origin = { file: batch.origin.file, placed: batch.origin.placed };
    const latest = { origin, firstPlace, decisivePlace: place, alertAt: at, firstAt, bits, count };
    const told = this.#told.tell(key, latest);
    told.count = Math.max(told.count, count);
    const places = new Set([told.firstPlace, told.decisivePlace]);
    if (origin.file === told.origin.file) places.add(place);
    this.#context.claim(
      findingOf(
        card,
        c,
        {
          title,
          bits: told.bits,
          ...(trustBits === undefined ? {} : { trustBits }),
          asset: assetOf(this.#context.city, seen.ip),
          subject,
          firstAt: told.firstAt,
          at: told.alertAt,
          lastAt: at,
          techniques,
          reasons,
          evidence: [...places].map((p) => evidenceOf(told.origin, p)),
          count: told.count,
          response,
        },
        // One finding by way of trying, whatever port or host came last.
        { type: 'asset', value: key },
      ),
    );
  }

  advance(): void {}

  #columns(): ArrayBufferView[] {
    return [...this.#sources.columns, ...this.#floods.columns, ...this.#victims.columns];
  }

  snapshot(): unknown {
    return {
      version: 1,
      columns: this.#columns().map(packColumn),
      sources: this.#sources.table.pack(),
      contacts: this.#sources.contacts.pack(),
      pairs: this.#floods.table.pack(),
      victims: this.#victims.table.pack(),
      ...this.#told.pack(),
    };
  }

  restore(state: unknown): void {
    const s = state as Record<string, unknown> & { version: number; columns: string[] };
    if (s.version !== 1) throw new Error(`scan: state of version ${s.version} is not known`);
    for (const [k, column] of this.#columns().entries()) unpackColumn(s.columns[k], column);
    this.#sources.table.unpack(s.sources as PackedPairs);
    this.#sources.contacts.unpack(s.contacts as PackedPairs);
    this.#floods.table.unpack(s.pairs as PackedPairs);
    this.#victims.table.unpack(s.victims as PackedPairs);
    this.#told.unpack(s);
  }
}
