// Who of ours called an address outside, the first few in order. Two that call what nobody else calls, one after the other, are
// tied: where the first stepped onto the second before, the stranger is the intruder's.
import { BoundedMap } from '../bounded-map.ts';

const CALLERS_MAX = 4;

interface Caller {
  readonly host: string;
  readonly at: number;
}

export class Callers extends BoundedMap<string, Caller[]> {
  /** @returns where this host is the second to call, both, by time */
  note(peer: string, host: string, at: number): readonly [Caller, Caller] | undefined {
    const callers = this.get(peer) ?? this.add(peer, []);
    if (callers.length >= CALLERS_MAX || callers.some((x) => x.host === host)) return undefined;
    callers.push({ host, at });
    if (callers.length !== 2) return undefined;
    const [a, b] = [callers[0]!, callers[1]!];
    return a.at <= b.at ? [a, b] : [b, a];
  }
}
