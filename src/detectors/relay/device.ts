// One device: whom it knows, what its flows did lately, and what was made of it.
import type { Origin } from '#events';
import { Rings } from './rings.ts';
import { Tally } from './tally.ts';

export class Device {
  /** Hash of its address. */
  key = 0;
  words: number[] = [0, 0, 0, 0];
  firstAt = 0;
  lastAt = 0;
  isField = false;
  role = '';
  /** Peers met more than once while learning. */
  known = new Set<number>();
  /** Others, and when they were first met. */
  strangers = new Map<number, number>();
  /** Flow numbers of visits to strangers that go on, and of long flows with the end of their last row. */
  long = new Map<number, number>();
  rings: Rings | undefined;
  /** Names of strangers by peer. */
  names = new Map<number, string>();
  relayed: string[] = [];
  peers = new Set<number>();
  /** Visits to strangers, decayed: those mirrored tightly, and those mirrored at all. */
  tight = new Tally();
  mirrored = new Tally();
  mirroredBytes = 0;
  together = 0;
  lastOpenAt = 0;
  decayedAt = 0;
  origin: Origin = { file: '', placed: 'frame' };
  firstPlace = -1;
  firstMatchAt = 0;
  decisivePlace = 0;
  lastPlace = 0;
  rows = 0;
  bits = 0;
  alertAt = 0;
  lastMatchAt = 0;
  evidence: number[] = [];

  save(): unknown {
    const { rings, known, strangers, long, names, peers, tight, mirrored, ...plain } = this;
    return {
      ...plain,
      known: [...known],
      strangers: [...strangers],
      long: [...long],
      names: [...names],
      peers: [...peers],
      tight: structuredClone({ ...tight }),
      mirrored: structuredClone({ ...mirrored }),
      rings:
        rings === undefined
          ? undefined
          : Object.fromEntries(Object.entries(rings).map(([k, v]) => [k, typeof v === 'number' ? v : [...v]])),
    };
  }

  static load(saved: Record<string, unknown>): Device {
    const d = new Device();
    const { rings, known, strangers, long, names, peers, tight, mirrored, ...plain } = saved;
    Object.assign(d, plain);
    d.known = new Set(known as number[]);
    d.strangers = new Map(strangers as [number, number][]);
    d.long = new Map(long as [number, number][]);
    d.names = new Map(names as [number, string][]);
    d.peers = new Set(peers as number[]);
    Object.assign(d.tight, structuredClone(tight));
    Object.assign(d.mirrored, structuredClone(mirrored));
    if (rings !== undefined) {
      const r = new Rings();
      for (const [k, v] of Object.entries(rings as Record<string, number | number[]>)) {
        const own = (r as unknown as Record<string, unknown>)[k];
        if (typeof v === 'number') (r as unknown as Record<string, number>)[k] = v;
        else (own as Float64Array).set(v);
      }
      d.rings = r;
    }
    return d;
  }
}
