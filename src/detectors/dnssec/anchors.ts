// Trust anchors as text, in the presentation form of DS or DNSKEY records (RFC 4034 2.2, 5.3).
import { isWithin, type Name, parseName } from './names.ts';

export interface Anchor {
  readonly zone: Name;
  /** DS data in wire form. */
  readonly ds: Uint8Array[];
  /** DNSKEY data in wire form. */
  readonly keys: Uint8Array[];
}

/** The root's key signing keys of 2017 and 2024 (IANA, root-anchors.xml). */
export const ROOT_ANCHORS: readonly string[] = [
  '. DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D',
  '. DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16',
];

const mnemonics: Readonly<Record<string, number>> = {
  DSA: 3,
  RSASHA1: 5,
  'RSASHA1-NSEC3-SHA1': 7,
  RSASHA256: 8,
  RSASHA512: 10,
  ECDSAP256SHA256: 13,
  ECDSAP384SHA384: 14,
  ED25519: 15,
  ED448: 16,
};

/**
 * Anchors from lines such as `example.com. DS 2854 8 2 46e4...` (TTL and class may stand before the type).
 * @returns one anchor a zone, and the lines that are none
 */
export function readAnchors(lines: readonly string[]): { anchors: Anchor[]; rejected: string[] } {
  const byZone = new Map<Name, Anchor>();
  const rejected: string[] = [];
  for (const line of lines) {
    const words = line.replace(/;.*$/, '').replace(/[()]/g, ' ').trim().split(/\s+/);
    const zone = parseName(words.shift() ?? '');
    while (/^(\d+|IN)$/i.test(words[0] ?? '')) words.shift();
    const type = words.shift()?.toUpperCase();
    const rdata = type === 'DS' ? dsOf(words) : type === 'DNSKEY' ? keyOf(words) : undefined;
    if (zone === undefined || rdata === undefined) {
      rejected.push(line);
      continue;
    }
    let anchor = byZone.get(zone);
    if (anchor === undefined) byZone.set(zone, (anchor = { zone, ds: [], keys: [] }));
    (type === 'DS' ? anchor.ds : anchor.keys).push(rdata);
  }
  return { anchors: [...byZone.values()], rejected };
}

/** A negative anchor (RFC 7646): the zone, and all below it as far as no anchor stands there, is taken for unsigned. */
export function negativeAnchor(zone: Name): Anchor {
  return { zone, ds: [], keys: [] };
}

/** The anchor nearest above `name`, itself included. */
export function nearestAnchor(anchors: readonly Anchor[], name: Name): Anchor | undefined {
  let best: Anchor | undefined;
  for (const a of anchors)
    if (isWithin(name, a.zone) && (best === undefined || a.zone.length > best.zone.length)) best = a;
  return best;
}

function number(text: string | undefined, max: number): number {
  const n = /^\d{1,5}$/.test(text ?? '') ? Number(text) : -1;
  return n <= max ? n : -1;
}

function algorithmOf(text: string | undefined): number {
  return mnemonics[text?.toUpperCase() ?? ''] ?? number(text, 255);
}

function dsOf(words: string[]): Uint8Array | undefined {
  const tag = number(words[0], 65535);
  const algorithm = algorithmOf(words[1]);
  const digestType = number(words[2], 255);
  const digest = words.slice(3).join('');
  if (tag < 0 || algorithm < 0 || digestType < 0 || !/^([0-9a-f]{2})+$/i.test(digest)) return undefined;
  return Buffer.concat([Buffer.from([tag >> 8, tag & 255, algorithm, digestType]), Buffer.from(digest, 'hex')]);
}

function keyOf(words: string[]): Uint8Array | undefined {
  const flags = number(words[0], 65535);
  const protocol = number(words[1], 255);
  const algorithm = algorithmOf(words[2]);
  const key = words.slice(3).join('');
  if (flags < 0 || protocol < 0 || algorithm < 0 || !/^[0-9a-z+/]{4,}={0,2}$/i.test(key)) return undefined;
  return Buffer.concat([Buffer.from([flags >> 8, flags & 255, protocol, algorithm]), Buffer.from(key, 'base64')]);
}
