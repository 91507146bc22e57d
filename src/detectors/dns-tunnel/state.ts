// The detector's state as something JSON can carry, with a version.
import { packColumn, unpackColumn } from '#lib/snapshot';
import { NameCode } from './bound.ts';
import { Suspect } from './suspect.ts';
import type { DnsTunnel } from './tunnel.ts';

export const VERSION = 2;

interface State {
  version: number;
  pairs: { a: string; b: string; weight: string; count: number; shed: number };
  zones: { a: string; b: string; weight: string; count: number; shed: number };
  columns: { sketch: string; sketchAt: string; suspectOf: string; clients: string; recent: string };
  hand: number;
  suspectsShed: number;
  pairsShed: number;
  suspects: (Record<string, unknown> | null)[];
}

function table(t: DnsTunnel['pairs']): State['pairs'] {
  return { a: packColumn(t.a), b: packColumn(t.b), weight: packColumn(t.weight), count: t.count, shed: t.shed };
}

function untable(t: DnsTunnel['pairs'], s: State['pairs']): void {
  unpackColumn(s.a, t.a);
  unpackColumn(s.b, t.b);
  unpackColumn(s.weight, t.weight);
  t.count = s.count;
  t.shed = s.shed;
}

export function pack(d: DnsTunnel): State {
  return {
    version: VERSION,
    pairs: table(d.pairs),
    zones: table(d.zones),
    columns: {
      sketch: packColumn(d.sketch),
      sketchAt: packColumn(d.sketchAt),
      suspectOf: packColumn(d.suspectOf),
      clients: packColumn(d.clients),
      recent: packColumn(d.recent),
    },
    hand: d.hand,
    suspectsShed: d.suspectsShed,
    pairsShed: d.pairsShed,
    suspects: d.suspects.map((s) => (s === undefined ? null : { ...s, seen: packColumn(s.seen) })),
  };
}

/** @throws Error where the version is not known or a column is damaged */
export function unpack(d: DnsTunnel, value: unknown): void {
  const s = value as State;
  if (s?.version !== VERSION) throw new Error(`dns-tunnel state of version ${s?.version} is not known`);
  untable(d.pairs, s.pairs);
  untable(d.zones, s.zones);
  for (const name of ['sketch', 'sketchAt', 'suspectOf', 'clients', 'recent'] as const)
    unpackColumn(s.columns[name], d[name]);
  d.hand = s.hand;
  d.suspectsShed = s.suspectsShed;
  d.pairsShed = s.pairsShed;
  d.suspects = s.suspects.map((plain) => {
    if (plain === null) return undefined;
    const sighting = plain.first as Suspect['first'];
    const suspect = new Suspect(
      plain.client as number[],
      plain.clientHash as number,
      plain.zoneHash as number,
      plain.registered as string,
      plain.firstAt as number,
      sighting,
    );
    const seen = new Uint32Array(suspect.seen.length);
    unpackColumn(plain.seen, seen);
    const code = Object.assign(new NameCode(), structuredClone(plain.code));
    return Object.assign(suspect, structuredClone(plain), { seen, code });
  });
}
