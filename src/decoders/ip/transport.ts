// What stands above IP, as far as a row tells it: ports, TCP's numbers and flags (RFC 9293), UDP (RFC 768), SCTP's common
// header (RFC 9260), ICMP type and code, and the range of the payload.
import type { PacketBatch } from '#events';
import { u16, u32 } from './link.ts';

export const Protocol = {
  HopByHop: 0,
  Icmp: 1,
  Tcp: 6,
  Udp: 17,
  Routing: 43,
  Fragment: 44,
  Authentication: 51,
  Icmp6: 58,
  DestinationOptions: 60,
  Sctp: 132,
} as const;

/**
 * Writes the transport columns of a row, all of them.
 * @param at where the IP payload begins; @param end where the captured bytes end
 * @param dataEnd where the IP packet ends by its own length
 * @param later 1 for a fragment other than the first, which has no header of its transport
 * @returns a fault code, or '' where all is well
 */
export function fillTransport(
  out: PacketBatch,
  row: number,
  b: Uint8Array,
  protocol: number,
  at: number,
  dataEnd: number,
  end: number,
  later: number,
): string {
  let header = 0;
  let source = 0;
  let destination = 0;
  let flags = 0;
  let sequence = 0;
  let acknowledgement = 0;
  let window = 0;
  let icmp = 0;
  if (later === 0) {
    if (protocol === Protocol.Udp) {
      if (at + 8 > end || at + 8 > dataEnd) return 'IP_TRUNCATED';
      header = 8;
      source = u16(b, at);
      destination = u16(b, at + 2);
      const udpBytes = u16(b, at + 4);
      // 0 is a jumbogram or offload; shorter than the datagram is padding; longer is a fragment or a lie.
      if (udpBytes >= 8 && at + udpBytes < dataEnd) dataEnd = at + udpBytes;
    } else if (protocol === Protocol.Tcp) {
      if (at + 20 > end || at + 20 > dataEnd) return 'IP_TRUNCATED';
      header = (b[at + 12]! >> 4) * 4;
      if (header < 20 || at + header > dataEnd) return 'IP_LENGTH';
      source = u16(b, at);
      destination = u16(b, at + 2);
      sequence = u32(b, at + 4);
      acknowledgement = u32(b, at + 8);
      flags = b[at + 13]!;
      window = u16(b, at + 14);
    } else if (protocol === Protocol.Sctp) {
      if (at + 12 > end || at + 12 > dataEnd) return 'IP_TRUNCATED';
      header = 12;
      source = u16(b, at);
      destination = u16(b, at + 2);
    } else if ((protocol === Protocol.Icmp || protocol === Protocol.Icmp6) && at + 2 <= end) icmp = u16(b, at);
  }
  out.protocol[row] = protocol;
  out.sourcePort[row] = source;
  out.destinationPort[row] = destination;
  out.tcpFlags[row] = flags;
  out.tcpSequence[row] = sequence;
  out.tcpAcknowledgement[row] = acknowledgement;
  out.tcpWindow[row] = window;
  out.icmp[row] = icmp;
  out.fragment[row] = later;
  const payload = Math.min(at + header, end);
  out.payloadOffset[row] = payload;
  out.payloadBytes[row] = Math.max(0, dataEnd - at - header);
  out.payloadCaptured[row] = Math.max(0, Math.min(dataEnd, end) - payload);
  return '';
}
