// Branches whose opening alone splits the grid (Tarjan 1974), without recursion: depth is chosen by the case.
import type { Grid } from './grid.ts';

export function bridges(grid: Grid, closed: Uint8Array): Uint8Array {
  const n = grid.busCount;
  const m = grid.branchCount;
  const out = new Uint8Array(m);
  // Incidence lists: branch k twice, as 2k at its from-node and 2k + 1 at its to-node.
  const head = new Int32Array(n).fill(-1);
  const next = new Int32Array(2 * m);
  for (let k = 0; k < m; k++) {
    if (closed[k] === 0) continue;
    const f = grid.node[grid.from[k]!]!;
    const t = grid.node[grid.to[k]!]!;
    if (f === t) continue;
    next[2 * k] = head[f]!;
    head[f] = 2 * k;
    next[2 * k + 1] = head[t]!;
    head[t] = 2 * k + 1;
  }
  const found = new Int32Array(n).fill(-1);
  const low = new Int32Array(n);
  const via = new Int32Array(n).fill(-1);
  const cursor = head.slice();
  let time = 0;
  for (let root = 0; root < n; root++) {
    if (found[root]! >= 0) continue;
    const stack = [root];
    found[root] = low[root] = time++;
    while (stack.length > 0) {
      const v = stack[stack.length - 1]!;
      const half = cursor[v]!;
      if (half < 0) {
        stack.pop();
        const k = via[v]!;
        if (k < 0) continue;
        const parent = stack[stack.length - 1]!;
        if (low[v]! > found[parent]!) out[k] = 1;
        if (low[v]! < low[parent]!) low[parent] = low[v]!;
        continue;
      }
      cursor[v] = next[half]!;
      const k = half >> 1;
      // The branch walked in by; a parallel circuit is another branch and does count.
      if (k === via[v]) continue;
      const far = grid.node[(half & 1) === 0 ? grid.to[k]! : grid.from[k]!]!;
      if (found[far]! < 0) {
        via[far] = k;
        found[far] = low[far] = time++;
        stack.push(far);
      } else if (found[far]! < low[v]!) low[v] = found[far]!;
    }
  }
  return out;
}
