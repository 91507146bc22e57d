// Who began a flow, from what flow records tell. The order is that of decoders/flow, as far as records that sum up packets
// allow: flags are those of all packets, and the first packet of each side is known by its time only.
import { serviceOfPort } from '#events';
import { isGroupAddress } from '#lib/address';
import { type FlowRecord, Tcp } from './record.ts';

/** What a record says of its source: that it began the flow, that it did not, or a guess. */
export const Began = { Yes: 3, Likely: 2, Unlikely: 1, No: 0 } as const;

export function sourceBegan(r: FlowRecord): number {
  if (r.isBiflow) return Began.Yes;
  if (isGroupAddress(r.addresses, 4)) return Began.Yes;
  if (isGroupAddress(r.addresses, 0)) return Began.No;
  if (r.icmpType >= 0) return icmpPair(r.icmpType, r.protocol) === r.icmpType ? Began.Yes : Began.No;
  if (r.protocol === 6 && (r.tcpFlags & Tcp.Syn) !== 0) {
    if ((r.tcpFlags & Tcp.Ack) === 0) return Began.Yes;
    // One packet with both is an answer; of several it may be either side.
    if (r.packets === 1) return Began.No;
  }
  const source = portRank(r.sourcePort);
  const destination = portRank(r.destinationPort);
  if (source !== destination) return destination > source ? Began.Likely : Began.Unlikely;
  return r.protocol !== 6 || r.sourcePort >= r.destinationPort ? Began.Likely : Began.Unlikely;
}

/** Whether the time of the first packets tells more than the ports: both sides of a hand-shake, or ports that are alike. */
export function isToldByTime(r: FlowRecord, hasPeerSyn: boolean): boolean {
  if (r.protocol === 6) return hasPeerSyn && (r.tcpFlags & Tcp.Syn) !== 0;
  return portRank(r.sourcePort) === portRank(r.destinationPort);
}

/** How much a port looks like a server's: a service that is known, a system port, any other; 0 is none. */
function portRank(port: number): number {
  return serviceOfPort(port) !== 0 ? 2 : port > 0 && port < 1024 ? 1 : 0;
}

/** Type of the request that belongs to an ICMP type; the type itself for those without an answer. */
export function icmpPair(type: number, protocol: number): number {
  if (protocol === 58) return type === 129 ? 128 : type === 134 ? 133 : type === 136 ? 135 : type;
  return type === 0 ? 8 : type === 14 ? 13 : type === 16 ? 15 : type === 18 ? 17 : type;
}
