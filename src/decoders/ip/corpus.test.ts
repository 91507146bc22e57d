// Captures of links, tunnels and fragments: the innermost packet of each frame is tshark's, but for the differences named
// here. PARAPET_CORPUS_WHOLE=1 takes 300 captures (minutes) instead of 60.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ip } from '#decoders/ip';
import type { Sink } from '#events';
import { openBytes } from '#sources';
import { pcap } from '#sources/pcap';
import { pcapng } from '#sources/pcapng';
import { hasTshark, type PeerRow, tshark } from './peer.ts';
import { Collector, type Row } from './testing.ts';

const root = process.env.PARAPET_CORPUS ?? '../shared/corpus';
const folders =
  process.env.PARAPET_CORPUS_WHOLE === '1'
    ? ['dns/edge', 'flow/pcapng', 'flow/ndpi/odd', 'flow/zeek', 'flow/suricata', 'flow/arkime', 'flow/ja4']
    : ['dns/edge/link', 'dns/edge/dnscollector', 'flow/ndpi/odd'];

/** Fragments elsewhere. */
const fragmented = [
  'dns/edge/ndpi/dns_fragmented.pcap',
  'dns/edge/oarc/dnscap-frags.pcap',
  'flow/arkime/socks5-http-302-frag.pcap',
];

/** File to the reason why our rows are not tshark's. */
const known: Readonly<Record<string, string>> = {
  ...because(
    'tshark shows a packet whose lengths contradict or that ends inside its transport header; here it is a fault',
    [
      'dns/edge/ndpi/fuzz-2006-06-26-2594.pcap',
      'flow/ndpi/odd/fuzz-2006-09-29-28586.pcap',
      'flow/ndpi/odd/ip_fragmented_garbage.pcap',
      'flow/ndpi/odd/reasm_crash_anon.pcapng',
    ],
  ),
  ...because('tshark goes into what a packet quotes or samples', [
    'flow/ndpi/odd/sflow.pcap',
    'flow/pcapng/gopacket/test901.pcapng',
  ]),
  ...because('a tunnel inside itself is taken for a routing loop', ['dns/edge/wireshark/ipoipoip.pcap']),
  ...because('an encapsulation that is not opened: 802.11, AYIYA, FabricPath, Aruba', [
    'flow/zeek/cisco-fabric-path.pcap',
    'flow/zeek/radiotap.pcap',
    'flow/zeek/tunnels_ayiya-large-identity.pcap',
    'flow/zeek/tunnels_ayiya3.pcap',
    'flow/zeek/tunnels_gre-aruba-amsdu.pcap',
    'flow/zeek/wlanmon.pcap',
  ]),
};

function because(reason: string, files: readonly string[]): Record<string, string> {
  return Object.fromEntries(files.map((f) => [f, reason]));
}

/** tshark numbers blocks that are no packets too (events, custom blocks), so a place is compared only where there are none. */
const numbersBlocks = /pcapng\/.*(test018|test102|test202)\.pcapng$/;

/** Of transports whose payload and header make up a joined datagram. */
const headerBytes: Readonly<Record<number, number>> = { 1: 0, 17: 8, 58: 0 };

/** A capture through the decoder; undefined where it is neither pcap nor pcapng. */
async function runFile(path: string): Promise<Collector | undefined> {
  const reader = await openBytes(path);
  await reader.fill(64);
  const head = reader.buffer.subarray(reader.start, reader.end);
  const kind = [pcap, pcapng].find((k) => k.probe(head, path));
  const collector = new Collector();
  const decoder = ip.create();
  if (kind === undefined) {
    reader.close();
    return undefined;
  }
  const source = kind.open(reader, path);
  const sink: Sink = { emit: (b) => decoder.decode(b, collector), fault: () => {} };
  while (await source.pull(Number.POSITIVE_INFINITY, sink));
  decoder.end(collector);
  source.close();
  return collector;
}

/** Files below a folder, in order. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .sort();
}

const keyOf = (r: Row | PeerRow, placed: boolean): string =>
  `${placed ? r.place : ''} ${r.from} ${r.to} ${r.protocol} ${r.ports}`;

const present = existsSync(join(root, 'dns/edge')) && hasTshark;
if (!present) console.warn('skipped: no corpus at PARAPET_CORPUS (default ../shared/corpus), or no tshark');

describe.skipIf(!present)('the corpus', () => {
  it('every frame gives the innermost packet that tshark gives', { timeout: 300_000 }, async () => {
    const different: string[] = [];
    let compared = 0;
    let joined = 0;
    const files = [
      ...folders.flatMap((f) => filesBelow(join(root, f))),
      ...fragmented.map((f) => join(root, f)),
    ].filter((f, n, all) => /\.(pcap|pcapng)$/.test(f) && all.indexOf(f) === n);
    for (const path of files) {
      const name = relative(root, path);
      const [ours, peer] = await Promise.all([runFile(path), tshark(path)]);
      if (ours === undefined) continue;
      expect(ours.broken, name).toBe(false);
      const placed = !numbersBlocks.test(name);
      const rows = ours.rows.filter((r) => r.fragment === 0 && [1, 6, 17, 58, 132].includes(r.protocol));
      const mine = rows.map((r) => keyOf(r, placed)).sort();
      const theirs = peer
        .filter((p) => p.protocol >= 0)
        .map((p) => keyOf(p, placed))
        .sort();
      const whole = new Map(rows.filter((r) => r.parts > 1).map((r) => [r.place, r]));
      for (const p of peer) {
        const row = whole.get(p.place);
        if (p.reassembled.length === 0 || row === undefined || !(row.protocol in headerBytes)) continue;
        joined += 1;
        if (!p.reassembled.includes(row.payloadBytes + headerBytes[row.protocol]!)) mine.push(`${p.place} length`);
      }
      compared += theirs.length;
      if (mine.join() !== theirs.join()) different.push(name);
    }
    expect(different.filter((f) => !(f in known))).toEqual([]);
    expect(Object.keys(known).filter((f) => files.includes(join(root, f)) && !different.includes(f))).toEqual([]);
    expect(compared).toBeGreaterThan(1000);
    expect(joined).toBeGreaterThan(20);
    console.info(`ip against tshark: ${files.length} files, ${compared} packets, ${joined} joined datagrams`);
  });
});
