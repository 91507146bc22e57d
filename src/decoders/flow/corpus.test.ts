// Flows as Zeek's own tests expect them, capture by capture: ends, direction, packets, IP bytes, payload, state. Where they
// differ, the rule (README.md) by which they do stands here; a difference that goes away must leave the list.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ip } from '#decoders/ip';
import { openBytes } from '#sources';
import { pcap } from '#sources/pcap';
import { pcapng } from '#sources/pcapng';
import { type Flow, flowsFrom } from './testing.ts';

const root = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'flow');

/** Expectation (its name in expect/zeek without `.conn.log`) to the rule by which ours differs. */
const known: Readonly<Record<string, string>> = {
  ...because('the flow is what travels inside; Zeek keeps one of the tunnel besides, or does not open it', [
    'core.tunnels.analyzer-confirmation',
    'core.tunnels.ayiya-large-identity',
    'core.tunnels.geneve',
    'core.tunnels.geneve-47101',
    'core.tunnels.geneve-ipv6',
    'core.tunnels.geneve-vxlan-truncated',
    'core.tunnels.gre-aruba-amsdu',
    'core.tunnels.gre-over-udp',
    'core.tunnels.gtp.inner_ipv6',
    'core.tunnels.gtp.inner_teredo',
    'core.tunnels.gtp.opt_header',
    'core.tunnels.teredo',
    'core.tunnels.vxlan',
  ]),
  ...because('link layers that ip does not open or not wholly (FabricPath, VN-Tag, 802.11)', [
    'core.cisco-fabric-path',
    'core.radiotap',
    'core.vntag-in-vlan',
    'core.wlanmon',
  ]),
  ...because(
    'no port is better known: the first sender is the originator (Zeek knows these as server ports), and a tunnel besides',
    ['core.tunnels.ayiya', 'core.tunnels.teredo_bubble_with_payload'],
  ),
  ...because('both ports are system ports: the first sender is the originator', [
    'scripts.base.protocols.dhcp.dhcp-all-msg-types',
    'scripts.base.protocols.ntp.misordered-ntp',
  ]),
  ...because('payload is what was delivered; Zeek counts what sequence numbers claim (zeek#3313)', [
    'core.tcp.large-file-reassembly',
    'core.tcp.miss-end-data',
  ]),
  ...because('a lone SYN-ACK was sent by the responder', [
    'scripts.base.frameworks.logging.field-extension',
    'scripts.base.frameworks.logging.field-extension-complex',
    'scripts.base.frameworks.logging.field-extension-optional',
  ]),
  ...because('a SYN with the same number, and a late packet of a connection that was reset, belong to the flow', [
    'scripts.base.protocols.modbus.modbus_and_non_modbus_on_port_502',
    'scripts.base.protocols.pop3.basic',
  ]),
  ...because(
    'Zeek was told to stop counting (GridFTP data), or dropped packets with a bad checksum but kept the record (zeek#5277)',
    ['scripts.base.protocols.ftp.gridftp', 'core.tunnels.vxlan-unknown-internal-packet'],
  ),
};

function because(rule: string, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((n) => [n, rule]));
}

async function flowsIn(path: string): Promise<Flow[]> {
  const reader = await openBytes(path);
  await reader.fill(4096);
  const kind = pcapng.probe(reader.buffer.subarray(reader.start, reader.end), path) ? pcapng : pcap;
  return flowsFrom(kind.open(reader, path), ip.create());
}

/** One line a flow; Zeek leaves payload unset where nobody answered, so it is compared apart. */
function zeekRows(path: string): { key: string; payload: string }[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  const header = lines.find((l) => l.startsWith('#fields'))?.split('\t') ?? [];
  const fields = header.slice(1);
  if (!['id.orig_h', 'orig_pkts', 'conn_state'].every((f) => fields.includes(f))) return [];
  return lines
    .filter((l) => l !== '' && !l.startsWith('#'))
    .map((l) => {
      const cells = l.split('\t');
      const of = (name: string): string => cells[fields.indexOf(name)]!;
      return {
        protocol: of('proto'),
        key: `${of('proto')} ${of('id.orig_h')}:${of('id.orig_p')} > ${of('id.resp_h')}:${of('id.resp_p')} ${of('orig_pkts')}/${of('resp_pkts')} ${of('orig_ip_bytes')}/${of('resp_ip_bytes')} ${of('conn_state')}`,
        payload: of('orig_bytes') === '-' ? '' : `${of('orig_bytes')}/${of('resp_bytes')}`,
      };
    })
    .filter((r) => r.protocol === 'tcp' || r.protocol === 'udp');
}

function differences(theirs: { key: string; payload: string }[], flows: readonly Flow[]): string[] {
  const ours = flows
    .filter((f) => f.protocol === 6 || f.protocol === 17)
    .map((f) => ({
      key: `${f.protocol === 6 ? 'tcp' : 'udp'} ${f.ends} ${f.packets.join('/')} ${f.ipBytes.join('/')} ${f.state}`,
      payload: f.payload.join('/'),
    }));
  const out: string[] = [];
  for (const z of theirs) {
    const i = ours.findIndex((o) => o.key === z.key && (z.payload === '' || z.payload === o.payload));
    if (i < 0) out.push(`Zeek ${z.key} ${z.payload}`);
    else ours.splice(i, 1);
  }
  return [...out, ...ours.map((o) => `ours ${o.key} ${o.payload}`)];
}

describe.skipIf(!existsSync(root))(
  'corpus flow/zeek (skipped where the corpus is not there: set PARAPET_CORPUS)',
  () => {
    it('flows are Zeek’s, but for the rules named here', async () => {
      const found: Record<string, string[]> = {};
      let same = 0;
      for (const line of readFileSync(join(root, 'MANIFEST.tsv'), 'utf8').split('\n')) {
        const [path = '', , , origin = '', , what = ''] = line.split('\t');
        const capture = /for (zeek\/\S+?); run options: (.*)$/.exec(what);
        // Runs with a filter, a script that cuts the log, or other log columns tell of something else.
        if (!path.startsWith('expect/zeek/') || capture === null || / -f |netcontrol|dynamic-filter/.test(what + path))
          continue;
        if (origin.endsWith('.cut') || !existsSync(join(root, capture[1]!))) continue;
        const theirs = zeekRows(join(root, path));
        if (theirs.length === 0) continue;
        const differs = differences(theirs, await flowsIn(join(root, capture[1]!)));
        if (differs.length > 0) found[path.slice('expect/zeek/'.length, -'.conn.log'.length)] = differs;
        else same += 1;
      }
      expect(Object.fromEntries(Object.entries(found).filter(([name]) => !(name in known)))).toEqual({});
      expect(Object.keys(known).filter((name) => !(name in found))).toEqual([]);
      expect(same).toBeGreaterThan(40);
    });

    it('histories of the flows that agree are Zeek’s, without checksums, gaps and the end of its own analysis', async () => {
      /** A flow, to the reason. */
      const known = [
        // Zeek counts a FIN sent again among the retransmissions of its data.
        'scripts.base.protocols.http.http-connect 79.26.245.236:3378 > 254.228.86.79:8240 ShADadtTfF ShADadtfF',
      ];
      const found: string[] = [];
      let same = 0;
      for (const line of readFileSync(join(root, 'MANIFEST.tsv'), 'utf8').split('\n')) {
        const [path = '', , , origin = '', , what = ''] = line.split('\t');
        const capture = /for (zeek\/\S+?); run options: (.*)$/.exec(what);
        if (!path.startsWith('expect/zeek/') || capture === null || / -f |netcontrol|dynamic-filter/.test(what + path))
          continue;
        if (origin.endsWith('.cut') || !existsSync(join(root, capture[1]!))) continue;
        const lines = readFileSync(join(root, path), 'utf8').split('\n');
        const fields = (lines.find((l) => l.startsWith('#fields')) ?? '').split('\t').slice(1);
        if (!fields.includes('history') || !fields.includes('orig_pkts')) continue;
        const flows = await flowsIn(join(root, capture[1]!));
        for (const cells of lines.filter((l) => l !== '' && !l.startsWith('#')).map((l) => l.split('\t'))) {
          const of = (name: string): string => cells[fields.indexOf(name)]!;
          if (of('proto') !== 'tcp' && of('proto') !== 'udp') continue;
          const ends = `${of('id.orig_h')}:${of('id.orig_p')} > ${of('id.resp_h')}:${of('id.resp_p')}`;
          const ours = flows.filter(
            (f) =>
              f.ends === ends &&
              f.packets.join('/') === `${of('orig_pkts')}/${of('resp_pkts')}` &&
              f.state === of('conn_state'),
          );
          if (ours.length === 0) continue;
          const history = of('history').replace(/[cCgGxX-]/g, '');
          if (ours.some((f) => f.history === history)) same += 1;
          else
            found.push(
              `${path.slice('expect/zeek/'.length, -'.conn.log'.length)} ${ends} ${history} ${ours[0]!.history}`,
            );
        }
      }
      expect(found.filter((f) => !known.includes(f))).toEqual([]);
      expect(known.filter((f) => !found.includes(f))).toEqual([]);
      expect(same).toBeGreaterThan(200);
    });
  },
);
