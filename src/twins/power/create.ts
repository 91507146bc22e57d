import { type Grid, gridFromText } from './grid.ts';
import { matpowerFault } from './matpower/read.ts';
import { Twin } from './twin.ts';
import type { PowerTwin, PowerTwinOptions, Read } from './types.ts';

/**
 * A twin of one grid.
 * @param grid a grid, or the text of a MATPOWER case
 * @param file name of the case, for faults
 */
export function createPowerTwin(grid: Grid | string, options: PowerTwinOptions = {}, file = 'grid.m'): Read<PowerTwin> {
  const read = typeof grid === 'string' ? gridFromText(grid, file) : { value: grid, faults: [] };
  if (read.value === undefined) return { faults: read.faults };
  // Busbars fuse buses; which of their meters speaks for which part is not modelled, so such a grid can be solved but not estimated.
  const fused = read.value.node.findIndex((v, i) => v !== i);
  if (fused >= 0)
    return {
      faults: [
        matpowerFault(
          file,
          'MATPOWER_BUSBAR',
          `bus ${read.value.busId[fused]} is joined to another by a branch without impedance`,
        ),
      ],
    };
  return { value: new Twin(read.value, options), faults: [] };
}
