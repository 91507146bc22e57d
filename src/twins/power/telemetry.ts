// The latest reading of every asset and quantity, and the measurement rows they make at a moment.
// Event time only. A reading older than its limit no longer counts; a load counts only while every meter that feeds it
// does, because the shares of a bus add up and a missing one would read as less load.
import type { Reading } from '#events';
import type { Grid } from './grid.ts';
import { isBranch, parseQuantity, type Sort } from './quantity.ts';
import { makeRow, type Row, RowKind, trustedFrom, zeroInjections } from './rows.ts';
import { Sums } from './sums.ts';

/** Readings kept, over all quantities. */
const readingsMax = 500_000;
/** Standard deviations where a meter names none: voltage in pu, power as a share of the value and of the base. */
const defaultSigma = { voltagePu: 0.004, share: 0.01, floorPu: 0.002, meterShare: 0.02 } as const;
/** How far a load may have drifted since it was reported: share of its value per second (4 % in half an hour). */
const loadDriftPerSecond = 0.04 / 1800;
const sumSigmaMin = 1e-3;
/** A reading from further ahead than this has a wrong clock. */
const aheadMaxMicros = 120e6;

interface Heard {
  at: number;
  seq: number;
  value: number;
  sigma: number;
}
interface Source {
  readonly quantity: string;
  readonly sort: Sort;
  /** Bus or branch index. */
  readonly element: number;
  readonly heard: Map<string, Heard>;
  /** Assets that city.yaml names for it; undefined where it names none. */
  readonly members: ReadonlySet<string> | undefined;
}

export interface Snapshot {
  readonly at: number;
  readonly rows: readonly Row[];
  /** Switch positions: the later of status reading and passed command, else the case. */
  readonly closed: Uint8Array;
  /** pu by bus, NaN where it is not known; and whether what is known is trusted. */
  readonly load: Float64Array;
  readonly loadQ: Float64Array;
  readonly generation: Float64Array;
  readonly generationTrusted: Uint8Array;
  /** Quantities whose readings are too old or incomplete. */
  readonly stale: readonly string[];
  /** Readings no grid can have, left out: quantity and asset. */
  readonly implausible: readonly { readonly quantity: string; readonly asset: string; readonly value: number }[];
  /** Untrusted assets by bus index they speak about (branch meters at both ends). */
  readonly untrustedAt: ReadonlyMap<number, ReadonlySet<string>>;
}

export interface Ages {
  readonly scanMicros: number;
  readonly loadMicros: number;
}

export class Telemetry {
  readonly grid: Grid;
  /** Readings of quantities the grid does not have, from assets that do not feed them, or without a finite value. */
  ignored = 0;
  shed = 0;
  readonly #sources = new Map<string, Source>();
  readonly #feeds = new Map<string, Set<string>>();
  readonly #facts: readonly Row[];
  #count = 0;
  readonly #hasUnit: Uint8Array;
  readonly #givesPower: Uint8Array;
  /** Newest reading that speaks of a bus (its branches too), and of a branch. */
  readonly #busAt: Float64Array;
  readonly #branchAt: Float64Array;
  readonly #commanded = new Map<number, { at: number; closed: number }>();

  constructor(grid: Grid, assets: readonly { readonly id: string; readonly feeds: readonly string[] }[]) {
    this.grid = grid;
    this.#facts = zeroInjections(grid);
    for (const asset of assets) {
      for (const quantity of asset.feeds) {
        const set = this.#feeds.get(quantity);
        if (set === undefined) this.#feeds.set(quantity, new Set([asset.id]));
        else set.add(asset.id);
      }
    }
    this.#hasUnit = new Uint8Array(grid.busCount);
    this.#givesPower = new Uint8Array(grid.busCount);
    for (let g = 0; g < grid.unitCount; g++) {
      if (grid.unitOn[g] === 0) continue;
      this.#hasUnit[grid.unitBus[g]!] = 1;
      // A condenser has no reading of active power: it gives none.
      if (grid.unitPMax[g]! > 0 || grid.unitP[g] !== 0) this.#givesPower[grid.unitBus[g]!] = 1;
    }
    this.#busAt = new Float64Array(grid.busCount).fill(Number.NEGATIVE_INFINITY);
    this.#branchAt = new Float64Array(grid.branchCount).fill(Number.NEGATIVE_INFINITY);
  }

  observe(readings: readonly Reading[]): void {
    for (const reading of readings) {
      const source = this.#sources.get(reading.quantity) ?? this.#open(reading.quantity);
      if (
        source === undefined ||
        !Number.isFinite(reading.value) ||
        (source.members !== undefined && !source.members.has(reading.asset))
      ) {
        this.ignored += 1;
        continue;
      }
      const known = source.heard.get(reading.asset);
      if (known === undefined) {
        if (this.#count >= readingsMax) {
          this.shed += 1;
          continue;
        }
        this.#count += 1;
        source.heard.set(reading.asset, {
          at: reading.at,
          seq: reading.seq,
          value: reading.value,
          sigma: reading.sigma,
        });
      } else if (isLater(reading, known)) {
        known.at = reading.at;
        known.seq = reading.seq;
        known.value = reading.value;
        known.sigma = reading.sigma;
      }
      this.#touch(source, reading.at);
    }
  }

  #touch(source: Source, at: number): void {
    const later = (table: Float64Array, i: number): void => {
      if (at > table[i]!) table[i] = at;
    };
    if (source.sort === 'loadP' || source.sort === 'loadQ') return;
    if (isBranch(source.sort)) {
      later(this.#branchAt, source.element);
      later(this.#busAt, this.grid.from[source.element]!);
      later(this.#busAt, this.grid.to[source.element]!);
    } else later(this.#busAt, source.element);
  }

  #open(quantity: string): Source | undefined {
    const parsed = parseQuantity(quantity, this.grid);
    if (parsed === undefined) return undefined;
    const source: Source = { quantity, ...parsed, heard: new Map(), members: this.#feeds.get(quantity) };
    this.#sources.set(quantity, source);
    return source;
  }

  /** Event time of the newest reading about a bus or branch. */
  busHeardAt(i: number): number {
    return this.#busAt[i]!;
  }
  branchHeardAt(k: number): number {
    return this.#branchAt[k]!;
  }
  /** A switching that was let through and that telemetry has had the time to show. */
  switched(k: number, closed: boolean, at: number): void {
    this.#commanded.set(k, { at, closed: closed ? 1 : 0 });
  }

  snapshot(at: number, trustOf: (asset: string) => number, ages: Ages): Snapshot {
    const { grid } = this;
    const n = grid.busCount;
    const closed = grid.closed.slice();
    const stale: string[] = [];
    const implausible: Snapshot['implausible'][number][] = [];
    const untrustedAt = new Map<number, Set<string>>();
    const rows: Row[] = [...this.#facts];
    const trustCache = new Map<string, number>();
    const trust = (asset: string): number => {
      let t = trustCache.get(asset);
      if (t === undefined) {
        t = trustOf(asset);
        if (!(t >= 0 && t <= 1)) t = 0;
        trustCache.set(asset, t);
      }
      return t;
    };
    const doubt = (asset: string, bus: number): void => {
      if (trust(asset) >= trustedFrom) return;
      const set = untrustedAt.get(bus);
      if (set === undefined) untrustedAt.set(bus, new Set([asset]));
      else set.add(asset);
    };
    const statusAt = new Map<number, number>();
    for (const [k, command] of this.#commanded) {
      closed[k] = command.closed;
      statusAt.set(k, command.at);
    }
    const sums = new Sums(n);
    // In the order of quantities' names, so that the order of arrival changes nothing.
    const sources = [...this.#sources.values()].sort((a, b) => (a.quantity < b.quantity ? -1 : 1));
    for (const source of sources) {
      if (source.sort !== 'status') continue;
      // A position stays what it was until someone says otherwise: no age limit.
      for (const [asset, heard] of source.heard) {
        doubt(asset, grid.from[source.element]!);
        doubt(asset, grid.to[source.element]!);
        if (heard.at > at + aheadMaxMicros || heard.at < (statusAt.get(source.element) ?? Number.NEGATIVE_INFINITY))
          continue;
        if (grid.busbar[source.element] === 1) continue;
        statusAt.set(source.element, heard.at);
        closed[source.element] = heard.value !== 0 ? 1 : 0;
      }
    }
    for (const source of sources) {
      const { sort, element } = source;
      if (sort === 'status') continue;
      const load = sort === 'loadP' || sort === 'loadQ';
      const ageMax = load ? ages.loadMicros : ages.scanMicros;
      let complete = true;
      let any = false;
      if (source.members !== undefined && load)
        for (const asset of source.members) if (!source.heard.has(asset)) complete = false;
      for (const [asset, heard] of [...source.heard].sort(([a], [b]) => (a < b ? -1 : 1))) {
        if (isBranch(sort)) {
          doubt(asset, grid.from[element]!);
          doubt(asset, grid.to[element]!);
        } else doubt(asset, element);
        const age = at - heard.at;
        if (age > ageMax || age < -aheadMaxMicros) {
          complete = false;
          continue;
        }
        any = true;
        const t = trust(asset);
        if (sort === 'v') {
          const base = grid.baseKv[element]! * 1000;
          if (!(base > 0)) continue;
          const v = heard.value / base;
          if (!(v > 0.5 && v < 1.5)) {
            implausible.push({ quantity: source.quantity, asset, value: heard.value });
            continue;
          }
          const sigma = heard.sigma > 0 ? heard.sigma / base : defaultSigma.voltagePu;
          if (sigma !== Number.POSITIVE_INFINITY)
            rows.push(makeRow(RowKind.V, element, v, sigma, t, source.quantity, [asset]));
          continue;
        }
        const base = grid.baseMva * 1e6;
        const value = heard.value / base;
        if (isBranch(sort)) {
          const rating = grid.rating[element]! > 0 ? grid.rating[element]! : 20;
          if (Math.abs(value) > 20 * rating) {
            implausible.push({ quantity: source.quantity, asset, value: heard.value });
            continue;
          }
          if (closed[element] === 0 || grid.busbar[element] === 1) continue;
          const sigma = powerSigma(heard.sigma, base, value);
          if (sigma !== Number.POSITIVE_INFINITY)
            rows.push(makeRow(branchKind(sort), element, value, sigma, t, source.quantity, [asset]));
          continue;
        }
        if (sort === 'busP' || sort === 'busQ') {
          const sigma = powerSigma(heard.sigma, base, value);
          const kind = sort === 'busP' ? RowKind.P : RowKind.Q;
          if (sigma !== Number.POSITIVE_INFINITY)
            rows.push(makeRow(kind, element, value, sigma, t, source.quantity, [asset]));
          continue;
        }
        const sigma =
          load && !(heard.sigma > 0) ? defaultSigma.meterShare * Math.abs(value) : powerSigma(heard.sigma, base, value);
        sums.add(
          sort,
          element,
          value,
          sigma,
          t,
          asset,
          load ? Math.abs(value) * loadDriftPerSecond * Math.max(0, age / 1e6) : 0,
        );
      }
      if (!complete || !any) {
        stale.push(source.quantity);
        if (sort === 'loadP' || sort === 'loadQ' || sort === 'genP' || sort === 'genQ') sums.spoil(sort, element);
      }
    }
    this.#injections(rows, sums);
    const load = new Float64Array(n).fill(Number.NaN);
    const loadQ = new Float64Array(n).fill(Number.NaN);
    const generation = new Float64Array(n).fill(Number.NaN);
    const generationTrusted = new Uint8Array(n);
    for (let i = 0; i < n; i++) {
      load[i] = sums.known('loadP', i)
        ? sums.value('loadP', i)
        : grid.loadP[i] === 0 && !sums.spoilt('loadP', i)
          ? 0
          : Number.NaN;
      loadQ[i] = sums.known('loadQ', i) ? sums.value('loadQ', i) : Number.NaN;
      if (sums.known('genP', i)) {
        generation[i] = sums.value('genP', i);
        generationTrusted[i] = sums.trusted('genP', i) ? 1 : 0;
      } else if (this.#givesPower[i] === 0) {
        generation[i] = 0;
        generationTrusted[i] = 1;
      }
    }
    return { at, rows, closed, load, loadQ, generation, generationTrusted, stale, implausible, untrustedAt };
  }

  /** Net injection of each bus whose load and units are both known: generation minus load, variances added. */
  #injections(rows: Row[], sums: Sums): void {
    const { grid } = this;
    for (let i = 0; i < grid.busCount; i++) {
      if (grid.node[i] !== i || grid.busType[i] === 4) continue;
      for (const [kind, gen, load, needsGen, hasLoad] of [
        [RowKind.P, 'genP', 'loadP', this.#givesPower[i] === 1, grid.loadP[i] !== 0],
        [RowKind.Q, 'genQ', 'loadQ', this.#hasUnit[i] === 1, grid.loadQ[i] !== 0],
      ] as const) {
        if (sums.spoilt(gen, i) || sums.spoilt(load, i)) continue;
        const g = sums.known(gen, i);
        const l = sums.known(load, i);
        if ((!g && needsGen) || (!l && hasLoad) || (!g && !l)) continue;
        const drift = sums.drift(load, i);
        const floor = sumSigmaMin ** 2 + drift ** 2;
        const assets = [...sums.assets(gen, i), ...sums.assets(load, i)];
        rows.push({
          kind,
          element: i,
          value: sums.value(gen, i) - sums.value(load, i),
          variance: sums.variance(gen, i) + sums.variance(load, i) + floor,
          widened: sums.widened(gen, i) + sums.widened(load, i) + floor,
          trusted: sums.trusted(gen, i) && sums.trusted(load, i),
          fact: false,
          quantity: `power/${l ? 'load' : 'gen'}/${grid.busId[i]}/${kind === RowKind.P ? 'p' : 'q'}`,
          assets,
        });
      }
    }
  }
}

function isLater(reading: Reading, known: Heard): boolean {
  if (reading.at !== known.at) return reading.at > known.at;
  if (reading.seq !== known.seq) return reading.seq > known.seq;
  // Two readings with one time and number: the answer must not depend on which came first.
  return reading.value > known.value;
}

function branchKind(sort: Sort): RowKind {
  return sort === 'fromP'
    ? RowKind.FromP
    : sort === 'fromQ'
      ? RowKind.FromQ
      : sort === 'toP'
        ? RowKind.ToP
        : RowKind.ToQ;
}
function powerSigma(sigma: number, base: number, value: number): number {
  return sigma > 0 ? sigma / base : defaultSigma.share * Math.abs(value) + defaultSigma.floorPu;
}
