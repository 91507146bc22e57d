// The sensor: batches from sources through decoders to detectors, to the end without waiting. Which decoders run follows
// from what the chosen detectors take, so that a plane that was not asked for costs nothing.
import type { City } from '#city';
import type { Detector } from '#detectors';
import type { Decoder, EventBatch, EventKind, Origin, Sink } from '#events';
import type { Coverage, Finding } from '#findings';
import { Faults } from './faults.ts';
import { poison } from './poison.ts';
import { decoders as decoderKinds, detectors as detectorKinds } from './registry.ts';

export interface EngineOptions {
  readonly city: City;
  readonly planes: ReadonlySet<string> | undefined;
  readonly evidenceAll: boolean;
  claim(finding: Finding): void;
  /** Batches of owned records (readings, commands, positions, signalling) on their way to the hub. */
  records?(batch: EventBatch): void;
  /** Sees every batch that sources and decoders give; borrowed for the call, as detectors have it. */
  observe?(batch: EventBatch): void;
}

interface Named {
  readonly name: string;
  readonly detector: Detector;
}

export class Engine implements Sink {
  readonly faults = new Faults();
  readonly coverage = new Map<string, Coverage>();
  /** While true decoders run but detectors don't: for going over input again up to a checkpoint. */
  mute = false;
  /** Event time of the first row, microseconds; Infinity before it. */
  firstAt = Number.POSITIVE_INFINITY;
  /** Rows seen by kind. */
  readonly rows: Record<string, number> = {};
  readonly #decoders: Decoder[] = [];
  readonly #detectors: Named[] = [];
  readonly #decodersOf = new Map<EventKind, Decoder[]>();
  readonly #detectorsOf = new Map<EventKind, Detector[]>();
  readonly #options: EngineOptions;
  #at = Number.NEGATIVE_INFINITY;
  #seenAt = Number.NEGATIVE_INFINITY;

  constructor(options: EngineOptions) {
    this.#options = options;
    const context = {
      city: options.city,
      evidenceAll: options.evidenceAll,
      claim: (finding: Finding) => options.claim(finding),
      cover: (coverage: Coverage) => this.#cover(coverage),
    };
    const chosen = detectorKinds.filter((d) => options.planes === undefined || options.planes.has(d.card.plane));
    for (const kind of chosen) {
      const detector = kind.create(context);
      this.#detectors.push({ name: kind.card.name, detector });
      for (const takes of kind.card.takes) push(this.#detectorsOf, takes, detector);
    }
    const needed = new Set<EventKind>(chosen.flatMap((d) => d.card.takes));
    const wanted = new Set<string>();
    for (let grew = true; grew; ) {
      grew = false;
      for (const d of decoderKinds) {
        if (wanted.has(d.card.name) || !d.card.gives.some((k) => needed.has(k))) continue;
        wanted.add(d.card.name);
        for (const k of d.card.takes) needed.add(k);
        grew = true;
      }
    }
    const withoutDns = chosen.every((d) => d.card.plane === 'dns' || !d.card.takes.includes('flow'));
    const tcpPorts = decoderKinds.filter((d) => wanted.has(d.card.name)).flatMap((d) => d.card.tcpPorts ?? []);
    for (const kind of decoderKinds) {
      if (!wanted.has(kind.card.name)) continue;
      const decoder = kind.create({
        withoutDns,
        tcpPorts,
        samplingOf: (words, at) => options.city.samplingOf(words, at),
      });
      this.#decoders.push(decoder);
      for (const takes of kind.card.takes) push(this.#decodersOf, takes, decoder);
    }
  }

  /** Event time of the latest row that a source gave, microseconds. */
  get seenAt(): number {
    return this.#seenAt;
  }

  /** Event time reached: time-outs up to here have been given. */
  get at(): number {
    return this.#at;
  }

  emit(batch: EventBatch): void {
    const kind = batch.kind;
    this.rows[kind] =
      (this.rows[kind] ?? 0) + ('count' in batch ? batch.count : 'records' in batch ? batch.records.length : 1);
    this.#see(batch);
    const decoders = this.#decodersOf.get(kind);
    if (decoders !== undefined) for (const d of decoders) d.decode(batch, this);
    const detectors = this.#detectorsOf.get(kind);
    if (detectors !== undefined && !this.mute) for (const d of detectors) d.observe(batch);
    if ('records' in batch) this.#options.records?.(batch);
    this.#options.observe?.(batch);
    poison(batch);
  }

  /** Remembers the latest row of what sources emit, so that the end of the input is a moment too. */
  #see(batch: EventBatch): void {
    let at = Number.NEGATIVE_INFINITY;
    if ('records' in batch) at = batch.records[batch.records.length - 1]!.at;
    else if (
      batch.kind === 'frame' ||
      batch.kind === 'dns-message' ||
      batch.kind === 'dns' ||
      batch.kind === 'flow' ||
      batch.kind === 'operation'
    )
      at = batch.at[batch.count - 1]!;
    if (at > this.#seenAt) this.#seenAt = at;
    if (this.firstAt === Number.POSITIVE_INFINITY && at > Number.NEGATIVE_INFINITY)
      this.firstAt = 'records' in batch ? batch.records[0]!.at : 'count' in batch ? batch.at[0]! : at;
  }

  fault(code: string, origin: Origin, place: number, offset: number): void {
    this.faults.add(code, origin, place, offset);
  }

  cover(plane: string, what: string, count: number, text: string): void {
    this.#cover({ kind: 'coverage', plane, what, count, text });
  }

  #cover(coverage: Coverage): void {
    this.coverage.set(`${coverage.plane}\u0000${coverage.what}`, coverage);
  }

  /** Event time has reached `to`: time-outs and windows are due. Never goes back. */
  advance(to: number): void {
    if (!(to > this.#at) || to === Number.POSITIVE_INFINITY) return;
    this.#at = to;
    for (const d of this.#decoders) d.advance(to, this);
    if (!this.mute) for (const d of this.#detectors) d.detector.advance(to);
  }

  /** No more input. */
  end(): void {
    for (const d of this.#decoders) d.end(this);
    this.advance(this.#seenAt);
    if (!this.mute) for (const d of this.#detectors) d.detector.end?.();
  }

  get shed(): number {
    let shed = this.faults.shed;
    for (const d of this.#decoders) shed += d.shed;
    for (const d of this.#detectors) shed += d.detector.shed;
    return shed;
  }

  snapshot(): { name: string; state: unknown }[] {
    return this.#detectors.map((d) => ({ name: d.name, state: d.detector.snapshot() }));
  }

  /** Restores detectors by name; a detector whose saved version is not known starts anew and is named in the answer. */
  restore(states: readonly { name: string; state: unknown }[]): string[] {
    const anew: string[] = [];
    for (const s of states) {
      const d = this.#detectors.find((x) => x.name === s.name);
      try {
        d?.detector.restore(s.state);
      } catch {
        anew.push(s.name);
      }
    }
    return anew;
  }
}

function push<T>(map: Map<EventKind, T[]>, kind: EventKind, value: T): void {
  const list = map.get(kind);
  if (list === undefined) map.set(kind, [value]);
  else list.push(value);
}
