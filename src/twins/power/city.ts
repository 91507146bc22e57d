// The twin that city.yaml describes: its model file, and which assets feed which quantity.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { City } from '#city';
import { createPowerTwin } from './create.ts';
import { gridFromCase } from './grid.ts';
import { matpowerFault, readMatpowerBytes } from './matpower/read.ts';
import type { PowerTwin, PowerTwinOptions, Read } from './types.ts';

/** Undefined where the city has no power twin. */
export function loadPowerTwin(city: City, options: PowerTwinOptions = {}): Read<PowerTwin> | undefined {
  const model = city.file.twins?.power?.model;
  if (model === undefined) return undefined;
  const path = model.startsWith('/') ? model : join(city.dir, model);
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch {
    return { faults: [matpowerFault(path, 'MATPOWER_BYTES', 'the model file cannot be read')] };
  }
  const read = readMatpowerBytes(bytes, path);
  if (read.value === undefined) return read;
  const grid = gridFromCase(read.value, path);
  if (grid.value === undefined) return grid;
  return createPowerTwin(grid.value, { assets: city.assets, ...options }, path);
}
