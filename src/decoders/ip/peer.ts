// tshark's view of a capture, for tests: the innermost IP packet of each frame.
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';

export interface PeerRow {
  place: number;
  from: string;
  to: string;
  /** The transport's protocol number; -1 for what is none of UDP, TCP, SCTP, ICMP, ICMPv6. */
  protocol: number;
  ports: [number, number];
  /** Octets of IP payload of each datagram that the frame completes, in rising order. */
  reassembled: number[];
}

const fields = [
  'frame.number',
  'frame.protocols',
  'ip.src',
  'ip.dst',
  'ipv6.src',
  'ipv6.dst',
  'udp.srcport',
  'udp.dstport',
  'tcp.srcport',
  'tcp.dstport',
  'sctp.srcport',
  'sctp.dstport',
  'ip.reassembled.length',
  'ipv6.reassembled.length',
];
const protocolOf: Readonly<Record<string, number>> = { udp: 17, tcp: 6, sctp: 132, icmp: 1, icmpv6: 58 };

export const hasTshark = spawnSync('tshark', ['--version']).status === 0;

/** Rows of the frames that have an IP packet. */
export async function tshark(path: string): Promise<PeerRow[]> {
  const { stdout } = await promisify(execFile)(
    'tshark',
    ['-n', '-r', path, '-T', 'fields', '-E', 'occurrence=a', '-E', 'aggregator=,', ...fields.flatMap((f) => ['-e', f])],
    { maxBuffer: 1 << 28 },
  ).catch((error: { stdout: string }) => error);
  return stdout
    .split('\n')
    .filter((l) => l !== '')
    .map(rowOf)
    .filter((r) => r !== undefined);
}

function rowOf(line: string): PeerRow | undefined {
  const column = line.split('\t');
  const values = (field: string): string[] => (column[fields.indexOf(field)] ?? '').split(',').filter((v) => v !== '');
  let protocols = column[1]!.split(':');
  // What ICMP quotes is not a packet of this frame.
  const quote = protocols.findIndex((p) => p === 'icmp' || p === 'icmpv6');
  if (quote >= 0) protocols = protocols.slice(0, quote + 1);
  const last = Math.max(protocols.lastIndexOf('ip'), protocols.lastIndexOf('ipv6'));
  if (last < 0) return undefined;
  const version = protocols[last]!;
  const nth = protocols.slice(0, last).filter((p) => p === version).length;
  const transport = protocols.slice(last + 1).find((p) => p in protocolOf) ?? '';
  const before = protocols.slice(0, last).filter((p) => p === transport).length;
  const port = (side: string): number => Number(values(`${transport}.${side}port`)[before] ?? 0);
  return {
    place: Number(column[0]),
    from: values(`${version}.src`)[nth] ?? '',
    to: values(`${version}.dst`)[nth] ?? '',
    protocol: protocolOf[transport] ?? -1,
    ports: [port('src'), port('dst')],
    reassembled: [...values('ip.reassembled.length'), ...values('ipv6.reassembled.length')].map(Number),
  };
}
