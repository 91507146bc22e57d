// What really happened: truth.ndjson for scorers, with the first bytes of each step.
import { isoTime, type NdjsonWriter } from './writer.ts';

export interface TruthStep {
  readonly at: number;
  readonly until: number;
  readonly plane: 'dns' | 'flow' | 'signalling' | 'power' | 'gateway';
  readonly what: string;
  readonly assets: readonly string[];
  readonly campaign: string;
  /** Grows while the step runs. */
  leakedBytes?: number;
  harmful?: boolean;
  /** DNS: the attacker's zone, the family of tools, octets that came down, and both as they grew. */
  readonly zone?: string;
  readonly tool?: string;
  readonly leakedDownBytes?: number;
  /** Seconds after `at`, octets up, octets down. */
  readonly leaked?: readonly (readonly [number, number, number])[];
}

export class TruthLog {
  readonly #steps: { step: TruthStep; file: string; place: 'frame' | 'line'; first: number }[] = [];

  /** Notes a step; the callback it gives marks each piece of evidence, of which the first counts. */
  begin(step: TruthStep, file: string): (place: number) => void {
    const place = file.endsWith('.pcap') ? 'frame' : 'line';
    const entry = { step, file, place, first: 0 } as const satisfies object as {
      step: TruthStep;
      file: string;
      place: 'frame' | 'line';
      first: number;
    };
    this.#steps.push(entry);
    return (number) => {
      if (entry.first === 0 || number < entry.first) entry.first = number;
    };
  }
  get count(): number {
    return this.#steps.length;
  }
  write(out: NdjsonWriter): void {
    for (const { step, file, place, first } of this.#steps) {
      const line = {
        kind: 'truth',
        at: isoTime(step.at),
        until: isoTime(step.until),
        plane: step.plane,
        what: step.what,
        assets: step.assets,
        campaign: step.campaign,
        ...(first > 0 ? { first: { file, [place]: first } } : {}),
        ...(step.leakedBytes === undefined ? {} : { leakedBytes: step.leakedBytes }),
        ...(step.harmful === undefined ? {} : { harmful: step.harmful }),
        ...(step.zone === undefined ? {} : { zone: step.zone }),
        ...(step.tool === undefined ? {} : { tool: step.tool }),
        ...(step.leakedDownBytes === undefined ? {} : { leakedDownBytes: step.leakedDownBytes }),
        ...(step.leaked === undefined ? {} : { leaked: step.leaked }),
      };
      out.add(step.at, JSON.stringify(line));
    }
  }
}
