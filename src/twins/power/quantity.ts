// Names of quantities and what they mean on a grid.
import type { Grid } from './grid.ts';

export type Sort =
  | 'v'
  | 'busP'
  | 'busQ'
  | 'loadP'
  | 'loadQ'
  | 'genP'
  | 'genQ'
  | 'fromP'
  | 'fromQ'
  | 'toP'
  | 'toQ'
  | 'status';

export function isBranch(sort: Sort): sort is 'fromP' | 'fromQ' | 'toP' | 'toQ' | 'status' {
  return sort === 'fromP' || sort === 'fromQ' || sort === 'toP' || sort === 'toQ' || sort === 'status';
}
/** `power/bus/12/v` and its like; undefined where the grid has no such thing. */
export function parseQuantity(quantity: string, grid: Grid): { sort: Sort; element: number } | undefined {
  const part = quantity.split('/');
  const [plane, kind, name = '', a = '', b] = part;
  if (plane !== 'power' || !/^[1-9]\d{0,8}$/.test(name)) return undefined;
  if (kind === 'branch') {
    const element = Number(name) - 1;
    if (element >= grid.branchCount) return undefined;
    if (a === 'status' && b === undefined) return { sort: 'status', element };
    if ((a === 'from' || a === 'to') && (b === 'p' || b === 'q') && part.length === 5)
      return { sort: `${a}${b === 'p' ? 'P' : 'Q'}`, element };
    return undefined;
  }
  const element = grid.busIndex.get(Number(name));
  if (element === undefined || b !== undefined) return undefined;
  if (kind === 'bus' && a === 'v') return { sort: 'v', element };
  if (a !== 'p' && a !== 'q') return undefined;
  const end = a === 'p' ? 'P' : 'Q';
  if (kind === 'bus') return { sort: `bus${end}`, element };
  if (kind === 'load') return { sort: `load${end}`, element };
  if (kind === 'gen') return { sort: `gen${end}`, element };
  return undefined;
}
