// For tests: a little traffic as a capture, whose flows are known. Addresses are those kept for documentation.
import { parseAddress } from '#events';

export const T0 = 1_700_000_000;
const host = '192.0.2.10';
const server = '198.51.100.7';
const host6 = '2001:db8::10';
const server6 = '2001:db8:1::7';
const F = 1;
const S = 2;
const R = 4;
const P = 8;
const A = 16;

/** [seconds after T0, from, to, protocol, what IP carries] */
type Packet = readonly [at: number, from: string, to: string, protocol: number, carried: Uint8Array];

function tcp(
  at: number,
  from: string,
  fromPort: number,
  to: string,
  toPort: number,
  flags: number,
  octets = 0,
): Packet {
  const b = Buffer.alloc(20 + octets, 65);
  b.fill(0, 0, 20);
  b.writeUInt16BE(fromPort, 0);
  b.writeUInt16BE(toPort, 2);
  b[12] = 0x50;
  b[13] = flags;
  return [at, from, to, 6, b];
}

function udp(at: number, from: string, fromPort: number, to: string, toPort: number, octets: number): Packet {
  const b = Buffer.alloc(8 + octets, 66);
  b.writeUInt16BE(fromPort, 0);
  b.writeUInt16BE(toPort, 2);
  b.writeUInt16BE(8 + octets, 4);
  b.writeUInt16BE(0, 6);
  return [at, from, to, 17, b];
}

function icmp(
  at: number,
  from: string,
  to: string,
  protocol: number,
  type: number,
  code: number,
  octets: number,
): Packet {
  const b = Buffer.alloc(8 + octets);
  b[0] = type;
  b[1] = code;
  return [at, from, to, protocol, b];
}

export const packets: readonly Packet[] = [
  // A whole connection.
  tcp(0, host, 50_000, server, 443, S),
  tcp(0.02, server, 443, host, 50_000, S | A),
  tcp(0.04, host, 50_000, server, 443, A),
  tcp(0.05, host, 50_000, server, 443, P | A, 200),
  ...Array.from({ length: 5 }, (_, i) => tcp(0.1 + i / 100, server, 443, host, 50_000, P | A, 1200)),
  tcp(0.3, host, 50_000, server, 443, F | A),
  tcp(0.32, server, 443, host, 50_000, F | A),
  tcp(0.33, host, 50_000, server, 443, A),
  // One refused, one without an answer, one reset by who began it.
  tcp(1, host, 50_001, server, 22, S),
  tcp(1.01, server, 22, host, 50_001, R | A),
  tcp(2, host, 50_002, server, 3389, S),
  tcp(3, host, 50_002, server, 3389, S),
  tcp(4, host, 50_003, server, 8080, S),
  tcp(4.01, server, 8080, host, 50_003, S | A),
  tcp(4.02, host, 50_003, server, 8080, A),
  tcp(4.1, host, 50_003, server, 8080, R | A),
  // Two questions, a message without an answer, echoes, an error.
  udp(5, host, 40_000, server, 53, 40),
  udp(5.02, server, 53, host, 40_000, 120),
  udp(5.5, host6, 40_001, server6, 53, 40),
  udp(5.52, server6, 53, host6, 40_001, 300),
  udp(6, host, 40_002, '198.51.100.8', 514, 100),
  icmp(7, host, server, 1, 8, 0, 56),
  icmp(7.01, server, host, 1, 0, 0, 56),
  icmp(7.5, server, host, 1, 3, 1, 28),
  icmp(8, host6, server6, 58, 128, 0, 56),
  icmp(8.01, server6, host6, 58, 129, 0, 56),
  // A connection over IPv6, an association's first chunk, two ports that look alike.
  tcp(9, host6, 50_010, server6, 80, S),
  tcp(9.01, server6, 80, host6, 50_010, S | A),
  tcp(9.02, host6, 50_010, server6, 80, P | A, 90),
  tcp(9.1, server6, 80, host6, 50_010, P | A, 900),
  tcp(9.2, server6, 80, host6, 50_010, F | A),
  tcp(9.21, host6, 50_010, server6, 80, F | A),
  tcp(9.22, server6, 80, host6, 50_010, A),
  [9.6, host, server, 132, Buffer.concat([Buffer.from('13880b59', 'hex'), Buffer.alloc(28)])],
  udp(10, host, 6000, server, 7000, 10),
  udp(10.1, server, 7000, host, 6000, 10),
];

/** Ends and protocol, state, packets and IP octets of each side; ports of ICMP are the type of the request. */
export const expected: readonly (readonly [string, number, string, [number, number], [number, number]])[] = [
  [`${host} 40000 ${server} 53`, 17, 'SF', [1, 1], [68, 148]],
  [`${host} 40002 198.51.100.8 514`, 17, 'S0', [1, 0], [128, 0]],
  [`${host} 50000 ${server} 443`, 6, 'SF', [5, 7], [400, 6280]],
  [`${host} 50001 ${server} 22`, 6, 'REJ', [1, 1], [40, 40]],
  [`${host} 50002 ${server} 3389`, 6, 'S0', [2, 0], [80, 0]],
  [`${host} 50003 ${server} 8080`, 6, 'RSTO', [3, 1], [120, 40]],
  [`${host} 6000 ${server} 7000`, 17, 'SF', [1, 1], [38, 38]],
  [`${host} 8 ${server} 8`, 1, 'SF', [1, 1], [84, 84]],
  [`${server} 3 ${host} 3`, 1, 'S0', [1, 0], [56, 0]],
  [`${host6} 128 ${server6} 128`, 58, 'SF', [1, 1], [104, 104]],
  [`${host6} 40001 ${server6} 53`, 17, 'SF', [1, 1], [88, 348]],
  [`${host6} 50010 ${server6} 80`, 6, 'SF', [3, 4], [270, 1140]],
];

/** The packets in Ethernet frames, as a pcap file of microseconds. */
export function capture(): Uint8Array {
  const parts: Uint8Array[] = [Buffer.from('d4c3b2a1020004000000000000000000ffff000001000000', 'hex')];
  for (const [at, from, to, protocol, carried] of packets) {
    const ip = ipPacket(from, to, protocol, carried);
    const record = Buffer.alloc(16 + 14);
    const micros = Math.round(at * 1e6);
    record.writeUInt32LE(T0 + Math.floor(micros / 1e6), 0);
    record.writeUInt32LE(micros % 1e6, 4);
    record.writeUInt32LE(14 + ip.length, 8);
    record.writeUInt32LE(14 + ip.length, 12);
    record.write('020000000001020000000002', 16, 'hex');
    record.writeUInt16BE(from.includes(':') ? 0x86dd : 0x0800, 28);
    parts.push(record, ip);
  }
  return Buffer.concat(parts);
}

function ipPacket(from: string, to: string, protocol: number, carried: Uint8Array): Uint8Array {
  const words = new Uint32Array(8);
  parseAddress(from, words, 0);
  parseAddress(to, words, 4);
  const isIpv6 = from.includes(':');
  const h = Buffer.alloc(isIpv6 ? 40 : 20);
  if (isIpv6) {
    h[0] = 0x60;
    h.writeUInt16BE(carried.length, 4);
    h[6] = protocol;
    h[7] = 64;
    for (let k = 0; k < 8; k++) h.writeUInt32BE(words[k]!, 8 + 4 * k);
    return Buffer.concat([h, carried]);
  }
  h[0] = 0x45;
  h.writeUInt16BE(20 + carried.length, 2);
  h[8] = 64;
  h[9] = protocol;
  h.writeUInt32BE(words[3]!, 12);
  h.writeUInt32BE(words[7]!, 16);
  let sum = 0;
  for (let k = 0; k < 20; k += 2) sum += h.readUInt16BE(k);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  h.writeUInt16BE(~sum & 0xffff, 10);
  return Buffer.concat([h, carried]);
}
