// Where the buses of a grid without coordinates stand on the drawing: stress majorization (Gansner, Koren, North,
// "Graph Drawing by Stress Majorization", 2004). Straight-line distance on the drawing is fitted to distance along the
// lines, weighted by 1/d^2, so that neighbours stay near and areas unfold. It starts from a spiral in breadth-first
// order and draws no random number: the same topology always gives the same picture.

export interface Place {
  readonly x: number;
  readonly y: number;
}

/** The drawing's frame. */
export const LAYOUT_WIDTH = 1000;
export const LAYOUT_HEIGHT = 620;
/** Past this many buses the all-pairs fit costs too much (n^2 memory and time); the spiral alone is given. */
const FITTED_BUSES_MAX = 1500;
const ROUNDS_MAX = 240;
/** Stop when a round moves no bus by more than this many edge lengths. */
const SETTLED = 0.002;
const GOLDEN_ANGLE_RAD = Math.PI * (3 - Math.sqrt(5));

/** Topologies laid out before; a city has one or a few. */
const cache = new Map<string, ReadonlyMap<number, Place>>();
const CACHE_MAX = 8;

export function layoutGrid(
  buses: readonly number[],
  branches: readonly { readonly from: number; readonly to: number }[],
): ReadonlyMap<number, Place> {
  const key = `${buses.join(',')};${branches.map((b) => `${b.from}-${b.to}`).join(',')}`;
  const known = cache.get(key);
  if (known !== undefined) return known;
  const places = compute(buses, branches);
  if (cache.size >= CACHE_MAX) cache.delete(cache.keys().next().value!);
  cache.set(key, places);
  return places;
}

function compute(
  buses: readonly number[],
  branches: readonly { readonly from: number; readonly to: number }[],
): ReadonlyMap<number, Place> {
  const n = buses.length;
  const indexOf = new Map(buses.map((id, i) => [id, i]));
  const neighbours: number[][] = buses.map(() => []);
  for (const { from, to } of branches) {
    const a = indexOf.get(from);
    const b = indexOf.get(to);
    if (a === undefined || b === undefined || a === b) continue;
    neighbours[a]!.push(b);
    neighbours[b]!.push(a);
  }
  const order = breadthFirst(neighbours);
  const x = new Float64Array(n);
  const y = new Float64Array(n);
  for (const [rank, i] of order.entries()) {
    const radius = Math.sqrt(rank + 0.5);
    x[i] = radius * Math.cos(rank * GOLDEN_ANGLE_RAD);
    y[i] = radius * Math.sin(rank * GOLDEN_ANGLE_RAD);
  }
  if (n > 2 && n <= FITTED_BUSES_MAX) settle(x, y, distances(neighbours));
  level(x, y);
  return framed(buses, x, y);
}

/** All buses, each connected part from its busiest bus outward. */
function breadthFirst(neighbours: readonly number[][]): number[] {
  const byDegree = neighbours.map((_, i) => i).sort((a, b) => neighbours[b]!.length - neighbours[a]!.length || a - b);
  const seen = new Uint8Array(neighbours.length);
  const order: number[] = [];
  for (const start of byDegree) {
    if (seen[start] === 1) continue;
    seen[start] = 1;
    order.push(start);
    for (let head = order.length - 1; head < order.length; head++)
      for (const next of neighbours[order[head]!]!)
        if (seen[next] === 0) {
          seen[next] = 1;
          order.push(next);
        }
  }
  return order;
}

/** Hops between all pairs, row by row; pairs without a path stand a little beyond the longest one. */
function distances(neighbours: readonly number[][]): Float64Array {
  const n = neighbours.length;
  const d = new Float64Array(n * n).fill(-1);
  let longest = 1;
  const queue = new Int32Array(n);
  for (let s = 0; s < n; s++) {
    d[s * n + s] = 0;
    queue[0] = s;
    for (let head = 0, tail = 1; head < tail; head++) {
      const at = queue[head]!;
      const hops = d[s * n + at]!;
      longest = Math.max(longest, hops);
      for (const next of neighbours[at]!)
        if (d[s * n + next] === -1) {
          d[s * n + next] = hops + 1;
          queue[tail++] = next;
        }
    }
  }
  for (let i = 0; i < d.length; i++) if (d[i] === -1) d[i] = longest + 2;
  return d;
}

/** Localized majorization: each bus moves to the weighted mean of where each other bus would have it. */
function settle(x: Float64Array, y: Float64Array, d: Float64Array): void {
  const n = x.length;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    let moved = 0;
    for (let i = 0; i < n; i++) {
      let sx = 0;
      let sy = 0;
      let weights = 0;
      for (let j = 0; j < n; j++) {
        if (j === i) continue;
        const wanted = d[i * n + j]!;
        const dx = x[i]! - x[j]!;
        const dy = y[i]! - y[j]!;
        const length = Math.hypot(dx, dy);
        const weight = 1 / (wanted * wanted);
        const pull = length > 1e-9 ? wanted / length : 0;
        sx += weight * (x[j]! + dx * pull);
        sy += weight * (y[j]! + dy * pull);
        weights += weight;
      }
      moved = Math.max(moved, Math.abs(sx / weights - x[i]!), Math.abs(sy / weights - y[i]!));
      x[i] = sx / weights;
      y[i] = sy / weights;
    }
    if (moved < SETTLED) return;
  }
}

/** Turns the drawing so that its longest axis lies level, which is the frame's. */
function level(x: Float64Array, y: Float64Array): void {
  const n = x.length;
  if (n === 0) return;
  const mx = x.reduce((a, b) => a + b, 0) / n;
  const my = y.reduce((a, b) => a + b, 0) / n;
  let xx = 0;
  let yy = 0;
  let xy = 0;
  for (let i = 0; i < n; i++) {
    x[i] = x[i]! - mx;
    y[i] = y[i]! - my;
    xx += x[i]! * x[i]!;
    yy += y[i]! * y[i]!;
    xy += x[i]! * y[i]!;
  }
  const angle = Math.atan2(2 * xy, xx - yy) / 2;
  const c = Math.cos(angle);
  const s = Math.sin(angle);
  for (let i = 0; i < n; i++) {
    const px = x[i]!;
    const py = y[i]!;
    x[i] = c * px + s * py;
    y[i] = c * py - s * px;
  }
}

/** Stretches both axes to the frame, with a margin for labels. */
function framed(buses: readonly number[], x: Float64Array, y: Float64Array): ReadonlyMap<number, Place> {
  const margin = 24;
  const [x0, xSpan] = extent(x);
  const [y0, ySpan] = extent(y);
  return new Map(
    buses.map((id, i) => [
      id,
      {
        x: Math.round((margin + ((x[i]! - x0) / xSpan) * (LAYOUT_WIDTH - 2 * margin)) * 10) / 10,
        y: Math.round((margin + ((y[i]! - y0) / ySpan) * (LAYOUT_HEIGHT - 2 * margin)) * 10) / 10,
      },
    ]),
  );
}

function extent(values: Float64Array): [number, number] {
  let least = Infinity;
  let most = -Infinity;
  for (const v of values) {
    least = Math.min(least, v);
    most = Math.max(most, v);
  }
  return [least, most > least ? most - least : 1];
}
