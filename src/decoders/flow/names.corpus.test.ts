// Names and JA4 fingerprints against what peers found in captures of others: FoxIO's reference outputs, nDPI, Suricata.
// Where they differ, the rule (README.md) or the peer's fault stands here; a difference that goes away must leave the list.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ip } from '#decoders/ip';
import { openBytes } from '#sources';
import { pcap } from '#sources/pcap';
import { pcapng } from '#sources/pcapng';
import { type Flow, flowsFrom } from './testing.ts';

const root = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'flow');

async function flowsIn(path: string): Promise<Flow[]> {
  const reader = await openBytes(path);
  await reader.fill(4096);
  const kind = pcapng.probe(reader.buffer.subarray(reader.start, reader.end), path) ? pcapng : pcap;
  return flowsFrom(kind.open(reader, path), ip.create());
}

const between = (flows: readonly Flow[], a: string, b: string): Flow[] =>
  flows.filter((f) => (f.from === a && f.to === b) || (f.from === b && f.to === a));

/** nDPI's own faults in JA4, as its results show them: what its fingerprint becomes where they are put right. */
function isPeerFault(theirs: string, ours: string): boolean {
  const [a, ...restA] = theirs.split('_');
  const [b, ...restB] = ours.split('_');
  if (a === undefined || b === undefined) return false;
  const rest = restA.map((x) => (x === 'e3b0c44298fc' ? '000000000000' : x)).join('_');
  // d without a name (nDPI#2916); the second character of ALPN, or none (nDPI#2914); the hash of nothing for no hash.
  return (
    rest === restB.join('_') && a.slice(0, 3) === b.slice(0, 3) && a.slice(4, 8) === b.slice(4, 8) && a[8] === b[8]
  );
}

describe.skipIf(!existsSync(root))('corpus flow (skipped where the corpus is not there: set PARAPET_CORPUS)', () => {
  it('JA4 and names are those of the reference outputs, but for the rules named here', async () => {
    /** Capture and port, to the rule. */
    const known: Readonly<Record<string, string>> = {
      'tls-non-ascii-alpn.pcapng 50112':
        'the output follows an older rule (99); the specification writes the first and last hexadecimal digit',
      'chrome-cloudflare-quic-with-secrets.pcapng 50280':
        'the output mixes the QUIC stream with the TCP stream of its number',
      'https-connect.pcap 54723': 'a hello inside a CONNECT tunnel, which the output does not look into',
    };
    const aliases = new Map(
      readFileSync(join(root, 'expect', 'ALIASES.tsv'), 'utf8')
        .split('\n')
        .map((line) => line.split('\t') as [string, string]),
    );
    const found: Record<string, string> = {};
    let same = 0;
    for (const file of readdirSync(join(root, 'expect', 'ja4'))) {
      const capture = file.slice(0, -'.json'.length);
      const flows = await flowsIn(join(root, aliases.get(`expect/ja4/${file}`) ?? `ja4/${capture}`));
      const want = new Map<string, { ends: [string, string]; ja4: string[]; domain: string; port: string }>();
      for (const s of JSON.parse(readFileSync(join(root, 'expect', 'ja4', file), 'utf8')) as Record<string, string>[]) {
        const ends: [string, string] = [`${s.src}:${s.srcport}`, `${s.dst}:${s.dstport}`];
        const key = ends.toSorted().join(' ');
        const entry = want.get(key) ?? { ends, ja4: [], domain: '', port: s.srcport! };
        for (const [name, value] of Object.entries(s)) if (/^JA4(\.\d+)?$/.test(name)) entry.ja4.push(value);
        entry.domain = s.domain ?? entry.domain;
        want.set(key, entry);
      }
      for (const { ends, ja4, domain, port } of want.values()) {
        const flow = between(flows, ...ends);
        const got = flow.map((f) => f.ja4).filter((x) => x !== '');
        const agrees =
          ja4.length === 0
            ? got.length === 0
            : got.includes(ja4[0]!) && (domain === '' || flow.some((f) => f.name === domain));
        if (agrees) same += ja4.length > 0 ? 1 : 0;
        else found[`${capture} ${port}`] = `${ja4.join(' ')} ${domain}, ours ${got.join(' ')}`;
      }
    }
    expect(Object.fromEntries(Object.entries(found).filter(([key]) => !(key in known)))).toEqual({});
    expect(Object.keys(known).filter((key) => !(key in found))).toEqual([]);
    expect(same).toBeGreaterThan(25);
  });

  it('JA4 and names are nDPI’s, but for its faults (nDPI#2914, #2916) and the rules named here', async () => {
    const known: Readonly<Record<string, string>> = {
      'tls_invalid_reads.pcap 58552': 'the hello is not there to its end: no fingerprint is made of a part',
    };
    const paths = new Map(
      ['c2proxy', 'lateral', 'odd', 'ot', 'tls'].flatMap((dir) =>
        readdirSync(join(root, 'ndpi', dir)).map((f) => [f, join(root, 'ndpi', dir, f)] as const),
      ),
    );
    const found: Record<string, string> = {};
    const count = { same: 0, fault: 0, names: 0 };
    for (const file of readdirSync(join(root, 'expect', 'ndpi'))) {
      const capture = file.slice(0, -'.out'.length);
      const path = paths.get(capture);
      if (path === undefined) continue;
      const flows = await flowsIn(path);
      for (const line of readFileSync(join(root, 'expect', 'ndpi', file), 'latin1').split('\n')) {
        const m = /^\t\d+\t(?:TCP|UDP) \[?([^\s\]]+)\]?(:\d+) <?->\s?\[?([^\s\]]+)\]?(:\d+)\s*\[/.exec(
          line.replace(/ \[VLAN[^\]]*\]/, ''),
        );
        if (m === null) continue;
        // nDPI shortens single groups of zeros: such ends are told apart by port.
        const flow = flows
          .filter((f) => f.from.endsWith(m[2]!) && f.to.endsWith(m[4]!))
          .concat(flows.filter((f) => f.to.endsWith(m[2]!) && f.from.endsWith(m[4]!)));
        const key = `${capture} ${m[2]!.slice(1)}`;
        const ja4 = /\[JA4: ([^\]]+)\]/.exec(line)?.[1];
        if (ja4 !== undefined) {
          if (flow.some((f) => f.ja4 === ja4)) count.same += 1;
          else if (flow.some((f) => isPeerFault(ja4, f.ja4))) count.fault += 1;
          else found[key] = `${ja4}, ours ${flow.map((f) => f.ja4).join(' ')}`;
        }
        const name = /\[Hostname\/SNI: ([^\]]+)\]/.exec(line)?.[1];
        if (name === undefined || !/proto: [^\]]*(?:TLS|QUIC|HTTP)/.test(line)) continue;
        if (flow.some((f) => f.name === name)) count.names += 1;
        else found[key] = `${name}, ours ${flow.map((f) => f.name).join(' ')}`;
      }
    }
    expect(Object.fromEntries(Object.entries(found).filter(([key]) => !(key in known)))).toEqual({});
    expect(Object.keys(known).filter((key) => !(key in found))).toEqual([]);
    expect(count.same).toBeGreaterThan(50);
    expect(count.fault).toBeGreaterThan(30);
    expect(count.names).toBeGreaterThan(500);
  });

  it.each([
    ['ja4-tls', '', 't12i1810s1_27d4652c4487_06a4338d0495'],
    ['ja4-quic', 'www.blogger.com', 'q13d0310h3_55b375c5d22e_cd85d2d88918'],
    ['quic-frag-unordered', 'mastodon.social', ''],
    ['quic-frag-middle-gap', 'optimizationguide-pa.googleapis.com', ''],
    ['bug-7264-tcp-3whs-ack-data-tls-01', 'raw.githubusercontent.com', ''],
  ])('Suricata’s %s', async (capture, name, ja4) => {
    const flows = await flowsIn(join(root, 'suricata', `${capture}.pcap`));
    expect(flows.some((f) => f.name === name && (ja4 === '' ? f.ja4 !== '' : f.ja4 === ja4))).toBe(true);
  });

  it.each(['quic-v2', 'quic-retry-multiple', 'quic-initial-not-first'])(
    'Suricata’s %s has a hello',
    async (capture) => {
      const flows = await flowsIn(join(root, 'suricata', `${capture}.pcap`));
      expect(flows.some((f) => f.service === 14 && f.ja4.startsWith('q13') && f.alpn === 'h3')).toBe(true);
    },
  );
});
