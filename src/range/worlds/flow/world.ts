// The flow city: what each device does, a day at a time.
import { seededRandom } from '#lib/random';
import { type Device, devicesOf } from './devices.ts';
import { day, routine } from './routines.ts';
import { type Plot, Writer } from './talk.ts';

export interface FlowWorldOptions {
  readonly seed: number | string;
  readonly devices: number;
  readonly startMicros: number;
}

export class FlowWorld {
  readonly devices: readonly Device[];
  readonly startMicros: number;

  constructor(options: FlowWorldOptions) {
    this.devices = devicesOf(seededRandom(options.seed).split('flow devices'), options.devices);
    this.startMicros = options.startMicros;
  }

  /** All talks of day `index`. Days must be asked for in order: each device draws from one stream. */
  day(index: number): Plot {
    const plot: Plot = { talks: [], asks: [] };
    const writer = new Writer(plot);
    for (const device of this.devices) routine(writer, device, this.startMicros + index * day, index);
    return plot;
  }
}
