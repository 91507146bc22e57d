// What is remembered of a host and a place: the last calls in columns, numbers only. Strings are made when a pair is told.
import type { Origin } from '#events';
import { packColumn, unpackColumn } from '#lib/snapshot';
import { type PackedPairs, PairTable } from '#lib/table';
import { type FlowNames, NAME_BYTES } from '../flow-names.ts';
import { PAIRS_BITS, TIMES } from './card.ts';
import type { Rhythm } from './rhythm.ts';

const COUNT = 2 ** PAIRS_BITS;

/** What a pair's key stands for. */
export const By = { Address: 0, Name: 1, Certificate: 2, Fingerprint: 3 } as const;

/** What cannot stand in numbers, for pairs that were told. */
export interface Told {
  readonly first: { file: string; placed: Origin['placed']; place: number };
  /** Address at the alert: later ones must not make another finding of it. */
  readonly address: string;
  alertAt: number;
  bits: number;
  decisivePlace: number;
  readonly evidence: number[];
}

export class Pairs {
  readonly table = new PairTable(PAIRS_BITS);
  readonly times = new Float64Array(COUNT * TIMES);
  readonly up = new Float32Array(COUNT * TIMES);
  readonly down = new Float32Array(COUNT * TIMES);
  readonly firstAt = new Float64Array(COUNT);
  readonly lastAt = new Float64Array(COUNT);
  readonly firstPlace = new Float64Array(COUNT);
  readonly lastPlace = new Float64Array(COUNT);
  readonly session = new Float64Array(COUNT);
  /** Best pace of a habit so far: bits, period, band, share. */
  readonly pace = new Float64Array(4 * COUNT);
  /** Client, then the place's latest address. */
  readonly addresses = new Uint32Array(8 * COUNT);
  readonly calls = new Uint32Array(COUNT);
  readonly turns = new Uint16Array(COUNT);
  readonly port = new Uint16Array(COUNT);
  /** Hash of the place. */
  readonly key = new Uint32Array(COUNT);
  /** What the key stands for: see `By`. */
  readonly by = new Uint8Array(COUNT);
  /** Calls within five seconds of the first. */
  readonly burst = new Uint8Array(COUNT);
  /** What it is known by: its name, the certificate's SHA-256, the fingerprint's letters; nothing of an address. */
  readonly nameBytes = new Uint8Array(COUNT);
  readonly names = new Uint8Array(NAME_BYTES * COUNT);
  /** Index into `files`, from 1. */
  readonly file = new Uint16Array(COUNT);
  readonly files: Origin[] = [];
  readonly told = new Map<number, Told>();
  readonly #scratch = new Float64Array(TIMES);

  open(a: number, b: number): number {
    const slot = this.table.insert(a, b);
    this.told.delete(slot);
    this.firstAt[slot] = 0;
    this.lastAt[slot] = 0;
    this.session[slot] = 0;
    this.pace.fill(0, 4 * slot, 4 * slot + 4);
    this.calls[slot] = 0;
    this.turns[slot] = 0;
    this.burst[slot] = 0;
    return slot;
  }

  setName(slot: number, { bytes, from, length }: FlowNames): void {
    this.nameBytes[slot] = length;
    for (let k = 0; k < length; k++) {
      const octet = bytes[from + k]!;
      this.names[NAME_BYTES * slot + k] = octet >= 65 && octet <= 90 ? octet + 32 : octet;
    }
  }

  setMark(slot: number, bytes: Uint8Array, from: number, length: number): void {
    const kept = Math.min(NAME_BYTES, length);
    this.nameBytes[slot] = kept;
    this.names.set(bytes.subarray(from, from + kept), NAME_BYTES * slot);
  }

  /** `SHA-256 ...` of a certificate, `JA4 ...` of a client; '' where the pair is known by a name or an address. */
  markOf(slot: number): string {
    const at = NAME_BYTES * slot;
    const bytes = Buffer.from(this.names.subarray(at, at + this.nameBytes[slot]!));
    if (this.by[slot] === By.Certificate) return `SHA-256 ${bytes.toString('hex')}`;
    return this.by[slot] === By.Fingerprint ? `JA4 ${bytes.toString('latin1')}` : '';
  }

  nameOf(slot: number): string {
    return Buffer.from(this.names.buffer, NAME_BYTES * slot, this.nameBytes[slot]).toString('latin1');
  }

  /** The last calls in order of time, on scratch. */
  timesOf(slot: number): Float64Array {
    const n = Math.min(this.calls[slot]!, TIMES);
    const times = this.#scratch.subarray(0, n);
    times.set(this.times.subarray(TIMES * slot, TIMES * slot + n));
    return times.sort();
  }

  paceOf(slot: number): Rhythm {
    const at = 4 * slot;
    const { pace } = this;
    return { bits: pace[at]!, periodMicros: pace[at + 1]!, band: pace[at + 2]!, share: pace[at + 3]! };
  }

  fileOf(origin: Origin): number {
    for (let k = this.files.length - 1; k >= 0; k--) if (this.files[k]!.file === origin.file) return k + 1;
    // Beyond this many files pairs point at the last: evidence is then named by place only.
    if (this.files.length >= 65_000) return this.files.length;
    return this.files.push({ file: origin.file, placed: origin.placed });
  }

  #columns(): Record<string, ArrayBufferView> {
    const { times, up, down, firstAt, lastAt, firstPlace, lastPlace, session, pace } = this;
    const { addresses, calls, turns, port, key, by, burst, nameBytes, names, file } = this;
    return {
      ...{ times, up, down, firstAt, lastAt, firstPlace, lastPlace, session, pace },
      ...{ addresses, calls, turns, port, key, by, burst, nameBytes, names, file },
    };
  }

  pack(): PackedState {
    const columns: Record<string, string> = {};
    for (const [name, column] of Object.entries(this.#columns())) columns[name] = packColumn(column);
    return { table: this.table.pack(), columns, files: [...this.files], told: [...this.told] };
  }

  /** @throws Error where a column is damaged */
  unpack(from: PackedState): void {
    this.table.unpack(from.table);
    for (const [name, column] of Object.entries(this.#columns())) unpackColumn(from.columns[name], column);
    this.files.length = 0;
    for (const f of from.files) this.files.push(f);
    this.told.clear();
    for (const [slot, told] of from.told) this.told.set(slot, { ...told, evidence: [...told.evidence] });
  }
}

export interface PackedState {
  readonly table: PackedPairs;
  readonly columns: Readonly<Record<string, string>>;
  readonly files: readonly Origin[];
  readonly told: readonly (readonly [number, Told])[];
}
