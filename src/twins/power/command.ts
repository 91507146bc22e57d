// What a command asks of the grid, or the sentence why it cannot be asked.
import type { Command } from '#events';
import type { Grid } from './grid.ts';

export type Asked =
  | { readonly sort: 'switch'; readonly branch: number; readonly closed: boolean }
  | { readonly sort: 'generate'; readonly bus: number; readonly watts: number }
  | { readonly sort: 'shed'; readonly bus: number; readonly watts: number };

export function readCommand(command: Command, grid: Grid): Asked | string {
  const [plane, kind, name = '', rest] = command.target.split('/');
  if (plane !== 'power' || rest !== undefined || !/^[1-9]\d{0,8}$/.test(name))
    return `${command.target} is no target of the power grid.`;
  const value =
    typeof command.value === 'string' && command.value.trim() !== '' ? Number(command.value) : command.value;
  if (kind === 'branch') {
    const branch = Number(name) - 1;
    if (branch >= grid.branchCount) return `The grid has no branch ${name}; it has ${grid.branchCount}.`;
    if (command.action !== 'open' && command.action !== 'close')
      return `A branch takes open or close, not ${command.action}.`;
    if (grid.busbar[branch] === 1)
      return `Branch ${name} has no impedance: switching it would split a busbar, which this model cannot follow.`;
    if (grid.busType[grid.from[branch]!] === 4 || grid.busType[grid.to[branch]!] === 4)
      return `Branch ${name} ends at a bus that is out of service.`;
    return { sort: 'switch', branch, closed: command.action === 'close' };
  }
  if (kind !== 'gen' && kind !== 'load') return `${command.target} is no target of the power grid.`;
  const bus = grid.busIndex.get(Number(name));
  if (bus === undefined || grid.busType[bus] === 4) return `The grid has no bus ${name} in service.`;
  const wanted = kind === 'gen' ? 'set' : 'shed';
  if (command.action !== wanted)
    return `${kind === 'gen' ? 'A unit' : 'A load'} takes ${wanted}, not ${command.action}.`;
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0)
    return `The value ${JSON.stringify(command.value ?? null)} is no power in watts, zero or more.`;
  if (kind === 'load') return { sort: 'shed', bus, watts: value };
  let most = 0;
  let running = false;
  for (let g = 0; g < grid.unitCount; g++) {
    if (grid.unitBus[g] !== bus || grid.unitOn[g] === 0) continue;
    running = true;
    most += grid.unitPMax[g]!;
  }
  if (!running) return `Bus ${name} has no unit in service.`;
  // One part in a million for rounding of the commanded figure.
  if (value > most * grid.baseMva * 1e6 * (1 + 1e-6))
    return `${megawatts(value)} is above what the units at bus ${name} can give (${megawatts(most * grid.baseMva * 1e6)}).`;
  return { sort: 'generate', bus, watts: value };
}

export function megawatts(watts: number): string {
  const mw = watts / 1e6;
  const size = Math.abs(mw);
  return size >= 100 ? `${mw.toFixed(0)} MW` : size >= 1 ? `${mw.toFixed(1)} MW` : `${(watts / 1e3).toFixed(1)} kW`;
}
export function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}
export function branchName(grid: Grid, k: number): string {
  return `branch ${k + 1} (${grid.busId[grid.from[k]!]}-${grid.busId[grid.to[k]!]})`;
}
