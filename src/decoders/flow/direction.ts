// Who began a flow, told by its first packet. The rules and their order stand in README.md.
import { type PacketBatch, Service, serviceOfPort } from '#events';
import { isGroupAddress } from '#lib/address';

const Tcp = { Syn: 2, Ack: 16 } as const;

/** Whether the sender of the first packet seen began the flow. */
export function isOriginator(
  p: PacketBatch,
  i: number,
  protocol: number,
  flags: number,
  sourcePort: number,
  destinationPort: number,
): boolean {
  // Nobody sends from a broadcast or multicast address (zeek#3235), and an answer to all was asked for by nobody.
  if (isGroupAddress(p.addresses, 8 * i + 4)) return true;
  if (isGroupAddress(p.addresses, 8 * i)) return false;
  if (protocol === 6 && (flags & Tcp.Syn) !== 0) return (flags & Tcp.Ack) === 0;
  if (protocol === 1 || protocol === 58) return !isReply(p.icmp[i]! >> 8, protocol);
  const source = portRank(sourcePort);
  const destination = portRank(destinationPort);
  if (source === destination) return protocol !== 6 || sourcePort >= destinationPort;
  return destination > source;
}

/** How much a port looks like a server's: a service that is known, a system port, any other; 0 is none. */
function portRank(port: number): number {
  return serviceOfPort(port) !== Service.Unknown ? 2 : port > 0 && port < 1024 ? 1 : 0;
}

/** Whether source and destination at `at` are one address. */
export function isSelf(words: Uint32Array, at: number): boolean {
  return (
    words[at] === words[at + 4] &&
    words[at + 1] === words[at + 5] &&
    words[at + 2] === words[at + 6] &&
    words[at + 3] === words[at + 7]
  );
}

/** Type of the request that belongs to an ICMP type; the type itself for those without an answer. */
export function icmpPair(type: number, protocol: number): number {
  if (protocol === 58) return type === 129 ? 128 : type === 134 ? 133 : type === 136 ? 135 : type;
  return type === 0 ? 8 : type === 14 ? 13 : type === 16 ? 15 : type === 18 ? 17 : type;
}

function isReply(type: number, protocol: number): boolean {
  return icmpPair(type, protocol) !== type;
}
