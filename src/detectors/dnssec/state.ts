// The detector's state as something JSON can carry, with a version.
import { packColumn, unpackColumn } from '#lib/snapshot';
import type { Claim } from './claim.ts';
import type { Answer, Dnssec, Waiting } from './dnssec.ts';

export const VERSION = 1;

interface State {
  version: number;
  seen: { key: string; bytes: string; until: number; isSecure: boolean }[];
  seenShed: number;
  waiting: (Omit<Waiting, 'answer'> & { answer: Omit<Answer, 'bytes'> & { bytes: string } })[];
  claims: [string, Claim][];
  knowing: number[];
  cuts: string[];
  sound: [string, number][];
  asked: string;
  secure: string[];
  counts: Dnssec['counts'];
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const bytesOf = (t: string): Uint8Array => new Uint8Array(Buffer.from(t, 'base64'));

export function pack(d: Dnssec): State {
  return {
    version: VERSION,
    seen: [...d.seen.entries].map(([key, e]) => ({ ...e, key, bytes: text(e.bytes) })),
    seenShed: d.seen.shed,
    waiting: d.waiting.map((w) => ({ ...w, answer: { ...w.answer, bytes: text(w.answer.bytes) } })),
    claims: [...d.claims].map(([key, c]) => [key, { ...c, evidence: [...c.evidence] }]),
    knowing: [...d.knowing],
    cuts: [...d.cuts],
    sound: [...d.sound],
    asked: packColumn(d.asked),
    secure: [...d.secure],
    counts: { ...d.counts },
  };
}

/** @throws Error where the version is not known or a column is damaged */
export function unpack(d: Dnssec, value: unknown): void {
  const s = value as State;
  if (s?.version !== VERSION) throw new Error(`dnssec state of version ${s?.version} is not known`);
  unpackColumn(s.asked, d.asked);
  d.secure.clear();
  for (const mark of s.secure) d.secure.add(mark);
  d.seen.entries.clear();
  d.seen.bytes = 0;
  for (const { key, bytes, until, isSecure } of s.seen) {
    const raw = bytesOf(bytes);
    d.seen.entries.set(key, { bytes: raw, until, isSecure });
    d.seen.bytes += raw.length;
  }
  d.seen.shed = s.seenShed;
  d.waiting = s.waiting.map((w) => ({ ...w, answer: { ...w.answer, bytes: bytesOf(w.answer.bytes) } }));
  d.waitingBytes = d.waiting.reduce((sum, w) => sum + w.answer.bytes.length, 0);
  d.claims.clear();
  for (const [key, claim] of s.claims) d.claims.set(key, claim);
  d.knowing.clear();
  for (const hash of s.knowing) d.knowing.add(hash);
  d.cuts.clear();
  for (const cut of s.cuts) d.cuts.add(cut);
  d.sound.clear();
  for (const [zone, at] of s.sound) d.sound.set(zone, at);
  Object.assign(d.counts, s.counts);
}
