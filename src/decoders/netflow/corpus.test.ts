// Record by record what tshark reads from the same datagrams (25 exporters, v5, v9, IPFIX), and what the logstash codec and
// pmacct's nfacctd tell. Where we differ, who is right and why stands here; a difference that goes away must leave the list.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openBytes } from '#sources';
import { pcap } from '#sources/pcap';
import { type Read, readFiles } from './captures.ts';
import type { Told } from './testing.ts';

const root = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'flow');
const found = existsSync(join(root, 'netflow'));
const read = (paths: readonly string[]): Promise<Read> =>
  readFiles(paths, async (path) => pcap.open(await openBytes(path), path));
if (!found) console.log(`no corpus at ${root}: the peers' expectations are not tested`);

/** What tshark prints of one record. Absent fields are undefined. */
interface Shark {
  from: string;
  to: string;
  fromPort?: number | undefined;
  toPort?: number | undefined;
  protocol?: number | undefined;
  octets?: number | undefined;
  packets?: number | undefined;
  firstAt?: number | undefined;
  lastAt?: number | undefined;
}

const monthNames = 'JanFebMarAprMayJunJulAugSepOctNovDec';
/** "Jun  4, 2023 08:40:05.000000000 UTC" as microseconds. */
function dateOf(text: string): number {
  const m = /(\w{3})\s+(\d+), (\d+) (\d+):(\d+):(\d+)\.(\d{6})/.exec(text)!;
  const month = monthNames.indexOf(m[1]!) / 3;
  return Date.UTC(+m[3]!, month, +m[2]!, +m[4]!, +m[5]!, +m[6]!) * 1000 + Number(m[7]);
}

/** Records with both addresses, in order. */
function sharkRecords(text: string): Shark[] {
  const out: Shark[] = [];
  let uptime = 0;
  let exportAt = 0;
  let fields: Map<string, string> | undefined;
  let depth = 0;
  const put = (): void => {
    const f = fields;
    fields = undefined;
    if (f === undefined) return;
    // A packet section: its innermost packet.
    for (const [name, inner] of [
      ['SrcAddr', 'Source Address'],
      ['DstAddr', 'Destination Address'],
      ['SrcPort', 'Source Port'],
      ['DstPort', 'Destination Port'],
    ] as const)
      if (!f.has(name) && f.has(inner)) f.set(name, f.get(inner)!);
    if (!f.has('SrcAddr') || !f.has('DstAddr')) return;
    const number = (name: string): number | undefined =>
      f.has(name) ? Number(/\d+/.exec(f.get(name)!)![0]) : undefined;
    const time = (name: string): number | undefined => {
      const value = f.get(name);
      if (value === undefined) return undefined;
      if (value.includes('UTC')) return dateOf(value);
      // Uptime without a boot time places nothing.
      if (uptime === 0) return undefined;
      const millis = (Math.round(uptime * 1000) - Math.round(Number.parseFloat(value) * 1000)) | 0;
      return exportAt - millis * 1000;
    };
    const protocol = f.get('Protocol');
    out.push({
      from: f.get('SrcAddr')!,
      to: f.get('DstAddr')!,
      fromPort: number('SrcPort'),
      toPort: number('DstPort'),
      protocol: protocol === undefined ? undefined : Number(/\((\d+)\)/.exec(protocol)?.[1] ?? protocol),
      octets: number('Octets'),
      packets: number('Packets'),
      firstAt: time('StartTime'),
      lastAt: time('EndTime'),
    });
  };
  for (const line of text.split('\n')) {
    const indent = line.length - line.trimStart().length;
    if (fields !== undefined && indent <= depth) put();
    const start = /^\s+(?:Flow \d+(?: \([^)]*\))?|pdu \d+\/\d+)$/.test(line);
    if (start) {
      fields = new Map();
      depth = indent;
      continue;
    }
    const m = /^\s*([A-Z][\w /]*?): (.*)$/.exec(line);
    if (m === null) continue;
    if (fields === undefined) {
      if (m[1] === 'Version') uptime = 0;
      if (m[1] === 'SysUptime') uptime = Number.parseFloat(m[2]!);
      else if (m[1] === 'Timestamp' || m[1] === 'ExportTime')
        exportAt = m[2]!.includes('UTC') ? dateOf(m[2]!) : Number(m[2]) * 1e6;
    } else if (indent === depth + 4 || m[1] === 'StartTime' || m[1] === 'EndTime') {
      // Templates that hold both versions leave one at zero.
      const before = fields.get(m[1]!);
      if (before === undefined || (/Addr$/.test(m[1]!) && /^[0.:]+$/.test(before))) fields.set(m[1]!, m[2]!);
    } else if (/^(Source|Destination) (Address|Port)$/.test(m[1]!)) fields.set(m[1]!, m[2]!);
  }
  put();
  return out;
}

/** What is not alike in one record, '' where nothing. */
function unlike(s: Shark, t: Told): string {
  const [from, to] = t.ends.split(' > ') as [string, string];
  const wrong: string[] = [];
  const check = (name: string, a: string | number | undefined, b: string | number): void => {
    if (a !== undefined && a !== b) wrong.push(`${name} ${a} here ${b}`);
  };
  const split = (x: string): [string, number] => [
    x.slice(0, x.lastIndexOf(':')).replace(/[[\]]/g, ''),
    Number(x.slice(x.lastIndexOf(':') + 1)),
  ];
  check('from', s.from, split(from)[0]);
  check('to', s.to, split(to)[0]);
  check('source port', s.fromPort, split(from)[1]);
  check('destination port', s.toPort, split(to)[1]);
  check('protocol', s.protocol, t.protocol);
  check('octets', s.octets, t.bytes);
  check('packets', s.packets, t.packets);
  check('first', s.firstAt, t.firstAt);
  check('last', s.lastAt, t.lastAt);
  return wrong.join(', ');
}

function differences(shark: readonly Shark[], records: readonly Told[]): string {
  if (shark.length !== records.length) return `${shark.length} records, here ${records.length}`;
  for (const [i, s] of shark.entries()) {
    const wrong = unlike(s, records[i]!);
    if (wrong !== '') return `record ${i}: ${wrong}`;
  }
  return '';
}

const waits =
  'ours: eleven records stand before their template in the same datagram; they wait for it, tshark drops them';

/** Cases that differ from tshark: what the test says, who is right and why. */
const known: Readonly<Record<string, readonly [difference: string, why: string]>> = {
  'ipfix-netscaler-with-variable-length-fields': [
    '3 records, here 6',
    'ours: the data comes before its templates too; those records waited for them',
  ],
  ipfix: [
    '6 records, here 12',
    'ours: the datagram holds two IPFIX messages; tshark reads one and takes the other for sets',
  ],
  'netflow-5-invalid-01': ['30 records, here 0', 'ours: the header claims 55,582 records; there can be 30'],
  'netflow-5-invalid-02': ['30 records, here 0', 'ours: the header claims 65,535 records; there can be 30'],
  'netflow-9-h3c': ['1 records, here 16', 'ours, and logstash says 16: tshark stops at a next hop of two octets'],
  'netflow-9-multiple-netflow-exporters': [
    'record 7: first 0 here 1444331155010000',
    'ours: an uptime of 0 is the time of boot; tshark takes it for none',
  ],
  'netflow-data+templates': ['12 records, here 23', waits],
  'netflow-datalink-template': ['12 records, here 23', waits],
  'netflow-options-data': ['12 records, here 23', waits],
  'netflow-data': ['16 records, here 27', waits],
  'netflow-datalink-data': ['13 records, here 24', waits],
  'netflow-ethernet-over-mpls-with-control-word-data': [
    '3 records, here 10',
    'ours: behind the labels is Ethernet with a control word (RFC 4448), which tshark does not guess',
  ],
};

describe.skipIf(!found)('what tshark reads', () => {
  const cases = found
    ? [
        ...readdirSync(join(root, 'expect/netflow-tshark')).map((f) => ({
          name: f.replace('.txt.zst', ''),
          text: zstdDecompressSync(readFileSync(join(root, 'expect/netflow-tshark', f))).toString(),
          inputs: (
            JSON.parse(readFileSync(join(root, 'expect/netflow-logstash', f.replace('.txt.zst', '.json')), 'utf8')) as {
              inputs: string[];
            }
          ).inputs.map((i) => join(root, 'netflow/logstash', i)),
        })),
        ...readdirSync(join(root, 'expect/netflow-akvorado')).map((f) => {
          const text = readFileSync(join(root, 'expect/netflow-akvorado', f), 'utf8');
          const inputs = /inputs in order: (.*)/.exec(text)![1]!.split(', ');
          return { name: f.replace('.txt', ''), text, inputs: inputs.map((i) => join(root, 'netflow/akvorado', i)) };
        }),
      ]
    : [];
  it.each(cases)('$name', async ({ name, text, inputs }) => {
    const { records } = await read(inputs);
    const wrong = differences(sharkRecords(text), records);
    expect(wrong, known[name]?.[1]).toBe(known[name]?.[0] ?? '');
  });
});

interface Logstash {
  inputs: string[];
  records: number | null;
  events: { index: number | null; event: { netflow?: Record<string, string | number> } }[];
}

/** Of the records that logstash counts, those that are no flows: options, or nothing with addresses in it. */
const others: Readonly<Record<string, number>> = {
  ipfix: 1,
  'ipfix-options-template-from-juniper-mx240-junos-15-1-r6-s3': 1,
  'ipfix-yaf-basic-with-applabel': 1,
  'juniper-srx-options-template-with-0-scope-field-length': 1,
  // Stations of a wireless controller: one address each.
  'netflow-9-cisco-wlc': 19,
  'netflow-9-cisco-nbar-options-template-260': 15,
  'netflow-9-cisco-asr-9000-series-options-template-256': 19,
  'netflow-9-fortigate-fortios-5-2-1': 1,
  'netflow-9-multiple-netflow-exporters': 1,
};
/** Records that we have more than logstash. */
const more: Readonly<Record<string, readonly [count: number, why: string]>> = {
  ipfix: [6, known.ipfix![1]],
  'ipfix-netscaler-with-variable-length-fields': [3, known['ipfix-netscaler-with-variable-length-fields']![1]],
};

describe.skipIf(!found)('what the logstash codec tells', () => {
  const folder = join(root, 'expect/netflow-logstash');
  it.each(found ? readdirSync(folder) : [])('%s', async (file) => {
    const { inputs, records, events } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Logstash;
    const got = await read(inputs.map((i) => join(root, 'netflow/logstash', i)));
    const name = file.replace('.json', '');
    if (records !== null)
      expect(got.records.length, more[name]?.[1]).toBe(records - (others[name] ?? 0) + (more[name]?.[0] ?? 0));
    if (name.includes('invalid')) {
      expect(got.records).toEqual([]);
      expect(got.codes.length).toBeGreaterThan(0);
    }
    for (const { event } of events) {
      const e = event.netflow;
      if (e === undefined) continue;
      const pick = (...names: string[]): number | string | undefined =>
        names.map((n) => e[n]).find((v) => v !== undefined);
      const from = pick('ipv4_src_addr', 'ipv6_src_addr', 'sourceIPv4Address', 'sourceIPv6Address');
      if (from === undefined) continue;
      const fromPort = pick('l4_src_port', 'sourceTransportPort');
      const toPort = pick('l4_dst_port', 'destinationTransportPort');
      const to = pick('ipv4_dst_addr', 'ipv6_dst_addr', 'destinationIPv4Address', 'destinationIPv6Address');
      if (to === undefined) continue;
      const end = (address: unknown, port: unknown): string => `${String(address)}:${port ?? ''}`;
      const wanted = {
        ends: `${end(from, fromPort)} > ${end(to, toPort)}`,
        packets: pick('in_pkts', 'packetDeltaCount'),
        bytes: pick('in_bytes', 'octetDeltaCount'),
      };
      const same = got.records.filter(
        (r) =>
          r.ends.startsWith(end(from, fromPort)) &&
          r.ends.includes(`> ${end(to, toPort)}`) &&
          (wanted.packets === undefined || wanted.packets === 0 || r.packets === wanted.packets) &&
          (wanted.bytes === undefined || wanted.bytes === 0 || r.bytes === wanted.bytes),
      );
      expect(same, JSON.stringify(wanted)).not.toEqual([]);
    }
  });
});

describe.skipIf(!found)("what pmacct's nfacctd tells", () => {
  interface Line {
    ip_src: string;
    ip_dst: string;
    port_src: number;
    port_dst: number;
    packets: number;
    bytes: number;
  }
  const folder = join(root, 'netflow/pmacct');
  const cases = found ? readdirSync(folder).filter((d) => existsSync(join(folder, d, 'traffic-00.pcap'))) : [];
  it.each(cases)('%s', async (dir) => {
    const captures = readdirSync(join(folder, dir)).filter((f) => f.endsWith('.pcap'));
    const got = await read(captures.map((c) => join(folder, dir, c)));
    // nfacctd sums up what has one key; so do we here, multiplied by the rate as it does.
    const sums = new Map<string, number[]>();
    const put = (map: Map<string, number[]>, key: string, packets: number, bytes: number): void => {
      const sum = map.get(key) ?? [0, 0];
      map.set(key, [sum[0]! + packets, sum[1]! + bytes]);
    };
    for (const r of got.records) put(sums, r.ends, r.packets * Math.max(1, r.rate), r.bytes * Math.max(1, r.rate));
    const theirs = new Map<string, number[]>();
    for (const line of readFileSync(join(folder, dir, 'output-flow-00.json'), 'utf8')
      .trim()
      .split('\n')) {
      const l = JSON.parse(line) as Line;
      if (l.ip_src === undefined) continue;
      put(theirs, `${l.ip_src}:${l.port_src} > ${l.ip_dst}:${l.port_dst}`, l.packets, l.bytes);
    }
    const wrong: string[] = [];
    for (const [key, sum] of theirs)
      if (String(sums.get(key)) !== String(sum)) wrong.push(`${key} ${sum} here ${sums.get(key)}`);
    for (const key of sums.keys()) if (!theirs.has(key)) wrong.push(`${key} here only ${sums.get(key)}`);
    expect(wrong).toEqual([]);
  });
});

describe.skipIf(!found)('sFlow samples and packet sections in akvorado’s captures', () => {
  it('ends, protocol, IP octets and rate of each', async () => {
    const told: Record<string, string[]> = {};
    const folder = join(root, 'netflow/akvorado');
    for (const file of readdirSync(folder).filter((f) => f.startsWith('sflow'))) {
      const { records, codes } = await read([join(folder, file)]);
      expect(codes, file).toEqual([]);
      told[file.slice(11, -5)] = records.map((r) => `${r.ends} ${r.protocol} ${r.bytes} x${r.rate}`);
    }
    expect(told).toMatchInlineSnapshot(`
      {
        "1140": [
          "2a0c:8880:2:0:185:21:130:38:46026 > 2a0c:8880:2:0:185:21:130:39:22 6 1500 x1024",
          "104.26.8.24:443 > 45.90.161.46:56876 6 421 x1024",
          "2a0c:8880:2:0:185:21:130:38:46026 > 2a0c:8880:2:0:185:21:130:39:22 6 1500 x1024",
          "45.90.161.148:55658 > 191.87.91.27:5555 6 40 x1024",
          "2a0c:8880:2:0:185:21:130:38:46026 > 2a0c:8880:2:0:185:21:130:39:22 6 1500 x1024",
        ],
        "discard-interface": [
          "2a0c:8880:2:0:185:21:130:38:46026 > 2a0c:8880:2:0:185:21:130:39:22 6 1500 x1024",
        ],
        "encap-vxlan": [
          "2001:db8:4::1:0 > 2001:db8:4::3:0 58 104 x1",
        ],
        "icmpv4": [
          "203.0.113.4:0 > 203.0.113.5:0 1 84 x1",
        ],
        "icmpv6": [
          "fe80::d05b:45ff:feee:5ecf:0 > 2001:db8:::0 58 72 x1",
        ],
        "local-interface": [
          "2a0c:8880:2:0:185:21:130:38:46026 > 2a0c:8880:2:0:185:21:130:39:22 6 1500 x1024",
        ],
        "multiple-interfaces": [
          "2a0c:8880:2:0:185:21:130:38:46026 > 2a0c:8880:2:0:185:21:130:39:22 6 1500 x1024",
        ],
        "qinq": [
          "49.49.49.2:32017 > 49.49.49.109:443 6 80 x4096",
        ],
        "sflow-expanded-sample": [
          "52.52.52.52:22 > 53.53.53.53:52237 6 104 x1000",
        ],
        "sflow-ipv4-data": [
          "50.50.50.50:46622 > 51.51.51.51:58631 17 1344 x256",
        ],
        "sflow-raw-ipv4": [
          "69.58.92.107:0 > 92.222.186.1:0 1 32 x1",
          "69.58.92.107:0 > 92.222.184.1:0 1 32 x1",
        ],
      }
    `);
  });
});
