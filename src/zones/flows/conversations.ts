// Who spoke to whom about which service, from flow rows: one row a pair of addresses and service port, with counts, first and
// last time and the place of one flow that a person can open. Answered talks are told apart from tries.
import { addressHash, type EventBatch, evidenceOf, type FlowBatch, FlowPhase, FlowState, type Place } from '#events';
import type { Evidence } from '#findings';
import { isGroupAddress } from '#lib/address';
import { packColumn, unpackColumn } from '#lib/snapshot';
import { type PackedPairs, PairTable } from '#lib/table';

/** log2 of the rows kept; a row with few flows gives way. */
const BITS = 17;
/** Names of inputs that examples lie in. */
const FILES_MAX = 4_096;

export interface Conversation {
  /** Four words each. */
  readonly from: Uint32Array;
  readonly to: Uint32Array;
  /** IP protocol number. */
  readonly protocol: number;
  readonly port: number;
  /** Flows, as far as they have ended or shown an answer. */
  readonly flows: number;
  readonly answered: number;
  readonly firstAt: number;
  readonly lastAt: number;
  /** Port that the other side used in a flow whose start was not seen; 0 where starts were seen. */
  readonly unsureFromPort: number;
  readonly example: Evidence;
}

const columnsOf = (rows: number) => ({
  isTaken: new Uint8Array(rows),
  addresses: new Uint32Array(8 * rows),
  protocol: new Uint8Array(rows),
  port: new Uint16Array(rows),
  unsureFromPort: new Uint16Array(rows),
  opened: new Uint32Array(rows),
  closed: new Uint32Array(rows),
  answered: new Uint32Array(rows),
  /** 1: a flow that still lives was seen to be answered. */
  isAnsweredNow: new Uint8Array(rows),
  firstAt: new Float64Array(rows),
  lastAt: new Float64Array(rows),
  place: new Float64Array(rows),
  file: new Uint16Array(rows),
  /** 1: the example is an answered flow. */
  isGoodExample: new Uint8Array(rows),
});
type Columns = ReturnType<typeof columnsOf>;

export class Conversations {
  readonly #pairs: PairTable;
  readonly #columns: Columns;
  readonly #files: string[] = [];
  readonly #placed: Place[] = [];
  readonly #fileNumbers = new Map<string, number>();
  /** Flows to broadcast and multicast addresses: no pair, so no conduit speaks of them. */
  toGroups = 0;
  /** Flows that no row had room for. */
  lost = 0;
  firstAt = Number.POSITIVE_INFINITY;
  lastAt = Number.NEGATIVE_INFINITY;

  constructor(bits = BITS) {
    this.#pairs = new PairTable(bits);
    this.#columns = columnsOf(this.#pairs.capacity);
  }

  /** Rows that gave way to others. */
  get shed(): number {
    return this.#pairs.shed + this.lost;
  }
  get count(): number {
    return this.#pairs.count;
  }

  observe(batch: EventBatch): void {
    if (batch.kind !== 'flow') return;
    for (let i = 0; i < batch.count; i++) this.#row(batch, i);
  }

  #row(b: FlowBatch, i: number): void {
    const phase = b.phase[i]!;
    if (isGroupAddress(b.addresses, 8 * i + 4)) {
      if (phase === FlowPhase.Close) this.toGroups++;
      return;
    }
    const protocol = b.protocol[i]!;
    const port = hasPorts(protocol) ? b.responderPort[i]! : 0;
    const to = addressHash(b.addresses, 8 * i + 4);
    const slot = this.#slot(b, i, addressHash(b.addresses, 8 * i), serviceHash(to, protocol, port), protocol, port);
    if (slot < 0) {
      if (phase === FlowPhase.Close) this.lost++;
      return;
    }
    const c = this.#columns;
    const firstAt = b.firstAt[i]!;
    const lastAt = b.lastAt[i]!;
    if (firstAt < c.firstAt[slot]!) c.firstAt[slot] = firstAt;
    if (lastAt > c.lastAt[slot]!) c.lastAt[slot] = lastAt;
    if (firstAt < this.firstAt) this.firstAt = firstAt;
    if (lastAt > this.lastAt) this.lastAt = lastAt;
    const answered = isAnswered(b, i);
    if (phase === FlowPhase.Open) c.opened[slot]! += 1;
    else if (phase === FlowPhase.Close) {
      c.closed[slot]! += 1;
      if (answered) c.answered[slot]! += 1;
    } else if (answered) c.isAnsweredNow[slot] = 1;
    if (b.state[i] === FlowState.OTH && c.unsureFromPort[slot] === 0) c.unsureFromPort[slot] = b.originatorPort[i]!;
    if (answered && c.isGoodExample[slot] === 0) {
      c.isGoodExample[slot] = 1;
      c.place[slot] = b.place[i]!;
      c.file[slot] = this.#file(b);
    }
    this.#pairs.setWeight(slot, Math.max(c.opened[slot]!, c.closed[slot]!) + 1000 * c.answered[slot]!);
  }

  #slot(b: FlowBatch, i: number, a: number, s: number, protocol: number, port: number): number {
    const c = this.#columns;
    const found = this.#pairs.find(a, s);
    if (found >= 0) {
      // Equal hashes of other addresses are lost, not mixed up.
      for (let k = 0; k < 8; k++) if (c.addresses[8 * found + k] !== b.addresses[8 * i + k]) return -1;
      return c.protocol[found] === protocol && c.port[found] === port ? found : -1;
    }
    const slot = this.#pairs.insert(a, s);
    c.isTaken[slot] = 1;
    for (let k = 0; k < 8; k++) c.addresses[8 * slot + k] = b.addresses[8 * i + k]!;
    c.protocol[slot] = protocol;
    c.port[slot] = port;
    c.unsureFromPort[slot] = 0;
    c.opened[slot] = 0;
    c.closed[slot] = 0;
    c.answered[slot] = 0;
    c.isAnsweredNow[slot] = 0;
    c.isGoodExample[slot] = 0;
    c.firstAt[slot] = b.firstAt[i]!;
    c.lastAt[slot] = b.lastAt[i]!;
    c.place[slot] = b.place[i]!;
    c.file[slot] = this.#file(b);
    return slot;
  }

  /** Number of the batch's input, from 1; 0 where there were too many. */
  #file(b: FlowBatch): number {
    const { file, placed } = b.origin;
    const known = this.#fileNumbers.get(file);
    if (known !== undefined) return known;
    if (this.#files.length >= FILES_MAX) return 0;
    this.#files.push(file);
    this.#placed.push(placed);
    this.#fileNumbers.set(file, this.#files.length);
    return this.#files.length;
  }

  /** Most answered flows first, then by address and service. */
  list(): Conversation[] {
    const c = this.#columns;
    const out: Conversation[] = [];
    for (let slot = 0; slot < this.#pairs.capacity; slot++) {
      if (!(c.isTaken[slot] === 1)) continue;
      const living = Math.max(0, c.opened[slot]! - c.closed[slot]!);
      const answered = c.answered[slot]! + (living > 0 && c.isAnsweredNow[slot] === 1 ? living : 0);
      const file = c.file[slot]!;
      out.push({
        from: c.addresses.slice(8 * slot, 8 * slot + 4),
        to: c.addresses.slice(8 * slot + 4, 8 * slot + 8),
        protocol: c.protocol[slot]!,
        port: c.port[slot]!,
        flows: Math.max(c.opened[slot]!, c.closed[slot]!, answered),
        answered,
        firstAt: c.firstAt[slot]!,
        lastAt: c.lastAt[slot]!,
        unsureFromPort: c.unsureFromPort[slot]!,
        example: evidenceOf(
          { file: this.#files[file - 1] ?? '', placed: this.#placed[file - 1] ?? 'offset' },
          c.place[slot]!,
        ),
      });
    }
    return out.sort((x, y) => y.answered - x.answered || y.flows - x.flows || compare(x, y));
  }

  snapshot(): unknown {
    const columns: Record<string, string> = {};
    for (const [name, column] of Object.entries(this.#columns)) columns[name] = packColumn(column);
    return {
      version: 1,
      pairs: this.#pairs.pack(),
      columns,
      files: this.#files,
      placed: this.#placed,
      toGroups: this.toGroups,
      lost: this.lost,
      firstAt: Number.isFinite(this.firstAt) ? this.firstAt : null,
      lastAt: Number.isFinite(this.lastAt) ? this.lastAt : null,
    };
  }

  /** @throws Error where the state is of another version or size */
  restore(state: unknown): void {
    const s = state as {
      version: number;
      pairs: PackedPairs;
      columns: Record<string, string>;
      files: string[];
      placed: Place[];
      toGroups: number;
      lost: number;
      firstAt: number | null;
      lastAt: number | null;
    };
    if (s.version !== 1) throw new Error(`conversations of version ${s.version}`);
    this.#pairs.unpack(s.pairs);
    for (const [name, column] of Object.entries(this.#columns)) unpackColumn(s.columns[name]!, column);
    this.#files.splice(0, Number.POSITIVE_INFINITY, ...s.files);
    this.#placed.splice(0, Number.POSITIVE_INFINITY, ...s.placed);
    this.#fileNumbers.clear();
    for (const [i, file] of this.#files.entries()) this.#fileNumbers.set(file, i + 1);
    this.toGroups = s.toGroups;
    this.lost = s.lost;
    this.firstAt = s.firstAt ?? Number.POSITIVE_INFINITY;
    this.lastAt = s.lastAt ?? Number.NEGATIVE_INFINITY;
  }
}

/** TCP, UDP, SCTP. */
export const hasPorts = (protocol: number): boolean => protocol === 6 || protocol === 17 || protocol === 132;

function serviceHash(to: number, protocol: number, port: number): number {
  let h = Math.imul(to ^ ((protocol << 16) | port), 0x7feb352d);
  h ^= h >>> 15;
  return Math.imul(h, 0x846ca68b) >>> 0 || 1;
}

/**
 * Both sides spoke and the talk was taken up. Zeek's states that are none: S0, REJ, RSTOS0 and SH (nobody there, refused, or a
 * scan), RSTRH and SHR (the answer only).
 */
export function isAnswered(b: FlowBatch, i: number): boolean {
  switch (b.state[i]) {
    case FlowState.S0:
    case FlowState.REJ:
    case FlowState.RSTOS0:
    case FlowState.SH:
    case FlowState.RSTRH:
    case FlowState.SHR:
      return false;
    default:
      return b.originatorPackets[i]! > 0 && b.responderPackets[i]! > 0;
  }
}

function compare(x: Conversation, y: Conversation): number {
  for (let k = 0; k < 4; k++) if (x.from[k] !== y.from[k]) return x.from[k]! - y.from[k]!;
  for (let k = 0; k < 4; k++) if (x.to[k] !== y.to[k]) return x.to[k]! - y.to[k]!;
  return x.protocol - y.protocol || x.port - y.port;
}
