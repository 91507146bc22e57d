// Elimination order and fill of a symmetric sparse structure, by minimum degree on the quotient graph
// (George and Liu 1989; approximate external degree and element absorption as in Amestoy, Davis and Duff 1996).
// An eliminated vertex becomes an element whose members are its column of L below the diagonal, so the structure of the
// factor falls out of the elimination itself and needs no second pass.

/** Structure of a unit lower factor in elimination order: column k has rows `rows[start[k] .. start[k+1])`, ascending. */
export interface Pattern {
  readonly n: number;
  readonly start: Int32Array;
  readonly rows: Int32Array;
  /** `order[k]` is the vertex eliminated k-th; `place` is its inverse. */
  readonly order: Int32Array;
  readonly place: Int32Array;
}

/**
 * Orders a graph and gives the fill of its factor.
 * @param n vertices
 * @param edges pairs (a, b); repeats, both directions and self-loops are allowed
 */
export function analyse(n: number, edges: Iterable<readonly [number, number]>): Pattern {
  const neighbours = adjacency(n, edges);
  const elementsOf: number[][] = Array.from({ length: n }, () => []);
  const members: (readonly number[] | undefined)[] = Array.from({ length: n }, () => undefined);
  const columns: (readonly number[])[] = [];
  const queue = new DegreeQueue(neighbours.map((list) => list.length));
  const place = new Int32Array(n).fill(-1);
  const order = new Int32Array(n);
  const mark = new Int32Array(n).fill(-1);
  const counted = new Int32Array(n).fill(-1);
  /** Live members of an element that are not members of the newest one. */
  const outside = new Int32Array(n);
  for (let k = 0; k < n; k++) {
    const pivot = queue.take();
    order[k] = pivot;
    place[pivot] = k;
    const column: number[] = [];
    const gather = (list: readonly number[]): void => {
      for (const v of list) {
        if (place[v]! >= 0 || mark[v] === k) continue;
        mark[v] = k;
        column.push(v);
      }
    };
    gather(neighbours[pivot]!);
    for (const e of elementsOf[pivot]!) {
      const list = members[e];
      if (list !== undefined) gather(list);
      members[e] = undefined;
    }
    members[pivot] = column;
    columns.push(column);
    for (const v of column) {
      for (const e of elementsOf[v]!) {
        const list = members[e];
        if (list === undefined) continue;
        if (counted[e] !== k) {
          counted[e] = k;
          let live = 0;
          for (const u of list) if (place[u]! < 0) live += 1;
          outside[e] = live;
        }
        outside[e]! -= 1;
      }
    }
    for (const v of column) {
      const kept = neighbours[v]!.filter((u) => place[u]! < 0 && mark[u] !== k);
      neighbours[v] = kept;
      const elements = [pivot];
      let degree = kept.length + column.length - 1;
      for (const e of elementsOf[v]!) {
        // An element wholly inside the newest one says nothing more: absorbed.
        if (members[e] === undefined || outside[e] === 0) continue;
        elements.push(e);
        degree += outside[e]!;
      }
      elementsOf[v] = elements;
      queue.move(v, Math.min(degree, n - k - 2));
    }
  }
  const start = new Int32Array(n + 1);
  for (let k = 0; k < n; k++) start[k + 1] = start[k]! + columns[k]!.length;
  const rows = new Int32Array(start[n]!);
  for (let k = 0; k < n; k++) {
    const sorted = columns[k]!.map((v) => place[v]!).sort((a, b) => a - b);
    rows.set(sorted, start[k]!);
  }
  return { n, start, rows, order, place };
}

/**
 * The structure with two adjacent unknowns for every vertex (angle and magnitude of a bus): vertex v becomes unknowns
 * 2v and 2v + 1, eliminated one after the other.
 */
export function doubled(p: Pattern): Pattern {
  const n = 2 * p.n;
  const start = new Int32Array(n + 1);
  const rows = new Int32Array(4 * p.rows.length + p.n);
  const order = new Int32Array(n);
  const place = new Int32Array(n);
  let at = 0;
  for (let k = 0; k < p.n; k++) {
    for (let half = 0; half < 2; half++) {
      order[2 * k + half] = 2 * p.order[k]! + half;
      place[2 * p.order[k]! + half] = 2 * k + half;
      if (half === 0) rows[at++] = 2 * k + 1;
      for (let q = p.start[k]!; q < p.start[k + 1]!; q++) {
        rows[at++] = 2 * p.rows[q]!;
        rows[at++] = 2 * p.rows[q]! + 1;
      }
      start[2 * k + half + 1] = at;
    }
  }
  return { n, start, rows, order, place };
}

/** Index into `rows` of row i, column j (elimination places, i > j). @throws RangeError where the structure lacks it. */
export function positionOf(p: Pattern, i: number, j: number): number {
  let low = p.start[j]!;
  let high = p.start[j + 1]! - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const row = p.rows[middle]!;
    if (row === i) return middle;
    if (row < i) low = middle + 1;
    else high = middle - 1;
  }
  throw new RangeError(`the structure has no entry at row ${i}, column ${j}`);
}

function adjacency(n: number, edges: Iterable<readonly [number, number]>): number[][] {
  const sets: Set<number>[] = Array.from({ length: n }, () => new Set());
  for (const [a, b] of edges) {
    if (a === b) continue;
    sets[a]!.add(b);
    sets[b]!.add(a);
  }
  return sets.map((s) => [...s]);
}

/** Vertices in doubly linked lists by degree. */
class DegreeQueue {
  readonly #head: Int32Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #degree: Int32Array;
  #lowest = 0;

  constructor(degrees: readonly number[]) {
    const n = degrees.length;
    this.#head = new Int32Array(n + 1).fill(-1);
    this.#next = new Int32Array(n).fill(-1);
    this.#previous = new Int32Array(n).fill(-1);
    this.#degree = new Int32Array(n);
    for (let v = n - 1; v >= 0; v--) this.#insert(v, degrees[v]!);
  }
  /** Removes a vertex of lowest degree; there must be one left. */
  take(): number {
    while (this.#head[this.#lowest] === -1) this.#lowest += 1;
    const v = this.#head[this.#lowest]!;
    this.#remove(v);
    return v;
  }
  move(v: number, degree: number): void {
    this.#remove(v);
    this.#insert(v, Math.max(degree, 0));
  }
  #insert(v: number, degree: number): void {
    const first = this.#head[degree]!;
    this.#degree[v] = degree;
    this.#next[v] = first;
    this.#previous[v] = -1;
    if (first !== -1) this.#previous[first] = v;
    this.#head[degree] = v;
    if (degree < this.#lowest) this.#lowest = degree;
  }
  #remove(v: number): void {
    const next = this.#next[v]!;
    const previous = this.#previous[v]!;
    if (previous === -1) this.#head[this.#degree[v]!] = next;
    else this.#next[previous] = next;
    if (next !== -1) this.#previous[next] = previous;
  }
}
