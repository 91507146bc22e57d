// The detector's state as something JSON can carry, with a version.
import { packColumn, unpackColumn } from '#lib/snapshot';
import type { PackedPairs } from '#lib/table';
import { NameCode } from './bound.ts';
import { Suspect } from './suspect.ts';
import type { DnsTunnel } from './tunnel.ts';

export const VERSION = 3;

interface State {
  version: number;
  pairs: PackedPairs;
  zones: PackedPairs;
  columns: { sketch: string; clients: string; recent: string };
  fieldZones: number[];
  hand: number;
  hasAnswers: boolean;
  suspectsShed: number;
  pairsShed: number;
  suspects: (Record<string, unknown> | null)[];
}

export function pack(d: DnsTunnel): State {
  return {
    version: VERSION,
    pairs: d.pairs.pack(),
    zones: d.zones.pack(),
    columns: {
      sketch: packColumn(d.sketch),
      clients: packColumn(d.clients),
      recent: packColumn(d.recent.seen),
    },
    fieldZones: [...d.fieldZones],
    hand: d.hand,
    hasAnswers: d.hasAnswers,
    suspectsShed: d.suspectsShed,
    pairsShed: d.pairsShed,
    suspects: d.suspects.map((s) => (s === undefined ? null : { ...s, seen: packColumn(s.seen) })),
  };
}

/** @throws Error where the version is not known or a column is damaged */
export function unpack(d: DnsTunnel, value: unknown): void {
  const s = value as State;
  if (s?.version !== VERSION) throw new Error(`dns-tunnel state of version ${s?.version} is not known`);
  d.pairs.unpack(s.pairs);
  d.zones.unpack(s.zones);
  for (const name of ['sketch', 'clients'] as const) unpackColumn(s.columns[name], d[name]);
  unpackColumn(s.columns.recent, d.recent.seen);
  d.fieldZones.clear();
  for (const zone of s.fieldZones) d.fieldZones.add(zone);
  d.hand = s.hand;
  d.hasAnswers = s.hasAnswers;
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
