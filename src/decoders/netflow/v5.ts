// NetFlow version 5 (Cisco NetFlow Export Datagram Format): a header of 24 octets, up to 30 records of 48, no templates.
import { type Datagram, type FlowRecord, ipv4Words, type Out, secondsNear, u16, u32, uptimeAt } from './record.ts';

export const V5_HEADER_BYTES = 24;
export const V5_RECORD_BYTES = 48;
export const V5_RECORDS_MAX = 30;

/** Reads the header's times. @returns the number of records it claims, -1 where the header is cut */
export function readV5Header(d: Datagram): number {
  if (d.end - d.start < V5_HEADER_BYTES) return -1;
  d.uptimeMillis = u32(d.bytes, d.start + 4);
  d.exportAt =
    secondsNear(u32(d.bytes, d.start + 8), d.at) * 1e6 + Math.floor((u32(d.bytes, d.start + 12) % 1e9) / 1000);
  return u16(d.bytes, d.start + 2);
}

/**
 * Packets for each one counted: two bits of mode, 14 of interval. Zero says nothing: exporters that sample leave it so too.
 * @returns 0 where it is not known
 */
export function v5Rate(d: Datagram): number {
  return u16(d.bytes, d.start + 22) & 0x3fff;
}

/** @returns records read */
export function readV5(d: Datagram, count: number, r: FlowRecord, out: Out): number {
  const b = d.bytes;
  const rate = v5Rate(d);
  for (let i = 0; i < count; i++) {
    const at = d.start + V5_HEADER_BYTES + i * V5_RECORD_BYTES;
    if (at + V5_RECORD_BYTES > d.end) {
      out.fault('NETFLOW_TRUNCATED', at);
      return i;
    }
    r.clear();
    ipv4Words(b, at, r.addresses, 0);
    ipv4Words(b, at + 4, r.addresses, 4);
    r.packets = u32(b, at + 16);
    r.bytes = u32(b, at + 20);
    r.firstAt = uptimeAt(u32(b, at + 24), d.uptimeMillis, d.exportAt);
    r.lastAt = Math.max(r.firstAt, uptimeAt(u32(b, at + 28), d.uptimeMillis, d.exportAt));
    r.sourcePort = u16(b, at + 32);
    r.destinationPort = u16(b, at + 34);
    r.tcpFlags = b[at + 37]!;
    r.protocol = b[at + 38]!;
    r.rate = rate;
    // Type and code stand in the destination port.
    if (r.protocol === 1) r.icmpType = r.destinationPort >> 8;
    out.flow(r);
  }
  return count;
}
