// 26 captures as tshark, nfpcapd and ndpiReader cut them into flows: packets each way with all three, IP bytes with
// nfpcapd (the other two count whole frames), and with tshark and ndpiReader how many flows there are. What differs stands
// here with its rule; a difference that goes away must leave the list.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ip } from '#decoders/ip';
import { formatAddress, parseAddress } from '#events';
import { openBytes } from '#sources';
import { pcap } from '#sources/pcap';
import { pcapng } from '#sources/pcapng';
import { type Flow, flowsFrom } from './testing.ts';

const root = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'flow');
const expected = join(root, 'expect', 'flows');

/** Peer and capture, to the rule by which ours differs. */
const known: Readonly<Record<string, string>> = {
  'ndpi ndpi_c2proxy_synscan.pcap':
    'nDPI counts the answers of one flow on the side of its SYN; each packet counts on the side that sent it',
  'ndpi ndpi_odd_ip_fragmented_garbage.pcap': 'nDPI drops fragments; ours join, with the ports of the first',
  'nfpcapd ndpi_odd_ip_fragmented_garbage.pcap': 'nfpcapd takes ports from later fragments; ours join',
  'tshark ndpi_odd_ip_fragmented_garbage.pcap':
    'tshark counts the last fragment of a datagram only; ours join, and count',
  'ndpi ndpi_odd_vxlan.pcap': 'the flow is what travels inside the tunnel',
  'nfpcapd ndpi_odd_vxlan.pcap': 'the flow is what travels inside the tunnel',
  'tshark ndpi_odd_vxlan.pcap': 'the flow is what travels inside the tunnel; tshark counts the tunnel besides',
};

/** Ends, packets each way, bytes each way. */
type Row = readonly [from: string, to: string, packets: number, back: number, bytes: number, backBytes: number];

async function flowsIn(path: string): Promise<Flow[]> {
  const reader = await openBytes(path);
  await reader.fill(4096);
  const kind = pcapng.probe(reader.buffer.subarray(reader.start, reader.end), path) ? pcapng : pcap;
  return flowsFrom(kind.open(reader, path), ip.create());
}

/** An end in one way of writing: nDPI shortens single groups of zeros too. */
function end(address: string, port: string): string {
  const words = new Uint32Array(4);
  parseAddress(address, words, 0);
  return `${formatAddress(words, 0)}:${port}`;
}

function ndpiRows(text: string): Row[] {
  const lines = text.split('\n');
  const columns = lines[0]!.slice(1).split(',');
  return lines
    .map((line) => line.split(','))
    .filter((c) => c[1] === '6' || c[1] === '17')
    .map((c) => {
      const of = (name: string): string => c[columns.indexOf(name)]!;
      const number = (name: string): number => Number(of(name));
      return [
        end(of('src_ip'), of('src_port')),
        end(of('dst_ip'), of('dst_port')),
        number('c_to_s_pkts'),
        number('s_to_c_pkts'),
        number('c_to_s_bytes'),
        number('s_to_c_bytes'),
      ];
    });
}

function nfpcapdRows(text: string): Row[] {
  return text
    .split('\n')
    .map((line) => line.split(','))
    .filter((c) => c[3] === '6' || c[3] === '17')
    .map((c) => [end(c[4]!, c[5]!), end(c[6]!, c[7]!), Number(c[9]), 0, Number(c[10]), 0]);
}

function tsharkRows(text: string): Row[] {
  const rows: Row[] = [];
  for (const line of text.split('\n')) {
    const m = /^(\S+):(\d+)\s+<->\s+(\S+):(\d+)\s+(\d+) (\d+) \w+\s+(\d+) (\d+) \w+\s+\d+ /.exec(line);
    if (m !== null)
      rows.push([end(m[1]!, m[2]!), end(m[3]!, m[4]!), Number(m[7]), Number(m[5]), Number(m[8]), Number(m[6])]);
  }
  return rows;
}

/** Sums by pair of ends: peers cut one talk into several rows by time and direction. */
function byEnds(rows: readonly Row[]): Map<string, number[]> {
  const sums = new Map<string, number[]>();
  for (const [from, to, ...values] of rows) {
    const [key, v] =
      from < to ? [`${from} ${to}`, values] : [`${to} ${from}`, [values[1]!, values[0]!, values[3]!, values[2]!]];
    const sum = sums.get(key) ?? [0, 0, 0, 0];
    sums.set(
      key,
      sum.map((n, k) => n + v[k]!),
    );
  }
  return sums;
}

function differences(theirs: readonly Row[], ours: readonly Row[], withBytes: boolean): string[] {
  const a = byEnds(theirs);
  const b = byEnds(ours);
  const cut = (v: number[] | undefined): string => (v ?? []).slice(0, withBytes ? 4 : 2).join('/');
  return [...new Set([...a.keys(), ...b.keys()])]
    .filter((key) => cut(a.get(key)) !== cut(b.get(key)))
    .map((key) => `${key}: theirs ${cut(a.get(key))}, ours ${cut(b.get(key))}`);
}

/** `folder_name` or `folder_folder_name`, as the expectations are called. */
function captureOf(name: string): string {
  const parts = name.split('_');
  for (let n = 3; n >= 1; n--) {
    const path = join(root, ...parts.slice(0, n), parts.slice(n).join('_'));
    if (existsSync(path)) return path;
  }
  return '';
}

describe.skipIf(!existsSync(expected))(
  'corpus expect/flows (skipped where the corpus is not there: set PARAPET_CORPUS)',
  () => {
    it('packets and bytes of each talk are those of three peers, but for the rules named here', async () => {
      const found: Record<string, string[]> = {};
      const counts: Record<string, [number, number]> = {};
      const absent: string[] = [];
      let compared = 0;
      for (const file of readdirSync(expected).filter((f) => f.endsWith('.ndpi.csv'))) {
        const name = file.slice(0, -'.ndpi.csv'.length);
        const path = captureOf(name);
        if (path === '') {
          absent.push(name);
          continue;
        }
        const flows = (await flowsIn(path)).filter((f) => f.protocol === 6 || f.protocol === 17);
        const ours = flows.map((f): Row => [f.from, f.to, ...f.packets, ...f.ipBytes]);
        const text = (kind: string): string => readFileSync(join(expected, `${name}.${kind}`), 'utf8');
        const peers = [
          ['ndpi', ndpiRows(text('ndpi.csv')), false],
          ['nfpcapd', nfpcapdRows(text('nfpcapd.csv')), true],
          ['tshark', tsharkRows(text('tshark-conv.txt')), false],
        ] as const;
        for (const [peer, rows, withBytes] of peers) {
          const differs = differences(rows, ours, withBytes);
          if (differs.length > 0) found[`${peer} ${name}`] = differs;
          else compared += 1;
          if (peer !== 'nfpcapd' && rows.length !== flows.length && differs.length === 0)
            counts[`${peer} ${name}`] = [rows.length, flows.length];
        }
      }
      expect(absent).toEqual([]);
      expect(Object.fromEntries(Object.entries(found).filter(([key]) => !(key in known)))).toEqual({});
      expect(Object.keys(known).filter((key) => !(key in found))).toEqual([]);
      expect(counts).toEqual({});
      expect(compared).toBe(3 * 26 - Object.keys(known).length);
    });
  },
);
