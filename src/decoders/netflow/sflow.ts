// sFlow version 5 (sflow.org, sflow_version_5.txt): flow samples and their expanded form, each one packet; counters are passed
// over. XDR: all is in words of four octets. There is no clock but that of arrival.
import { PacketHeader, readFrame, readIp, readMpls, readSampledIp } from './header.ts';
import { type Datagram, type FlowRecord, type Out, u32 } from './record.ts';

const Sample = { Flow: 1, Counters: 2, ExpandedFlow: 3, ExpandedCounters: 4 } as const;
const Flow = { Header: 1, Ethernet: 2, Ipv4: 3, Ipv6: 4 } as const;
/** header_protocol values. */
const Protocol = { Ethernet: 1, Ipv4: 11, Ipv6: 12, Mpls: 13 } as const;

export class SflowHeader {
  /** Agent address as four words, and the sub-agent: sequences count by both. */
  agentHash = 0;
  subAgent = 0;
  sequence = 0;
  uptimeMillis = 0;
  samples = 0;
  /** Position of the first sample, -1 where the header is broken. */
  next = -1;
}

export function readSflowHeader(b: Uint8Array, start: number, end: number, out: SflowHeader): void {
  out.next = -1;
  if (end - start < 28) return;
  const kind = u32(b, start + 4);
  if (kind !== 1 && kind !== 2) return;
  const at = start + 8 + (kind === 1 ? 4 : 16);
  if (at + 16 > end) return;
  let hash = kind;
  for (let k = start + 8; k < at; k += 4) hash = Math.imul(hash ^ u32(b, k), 0x7feb352d);
  out.agentHash = hash >>> 0;
  out.subAgent = u32(b, at);
  out.sequence = u32(b, at + 4);
  out.uptimeMillis = u32(b, at + 8);
  out.samples = u32(b, at + 12);
  out.next = at + 16;
}

const packet = new PacketHeader();

export function readSflow(d: Datagram, header: SflowHeader, r: FlowRecord, out: Out): void {
  const b = d.bytes;
  let at = header.next;
  // Bound by the octets there are, whatever the count claims.
  for (let i = 0; i < header.samples; i++) {
    if (at + 8 > d.end) {
      out.fault('NETFLOW_TRUNCATED', at);
      return;
    }
    const format = u32(b, at);
    const end = at + 8 + u32(b, at + 4);
    if (end > d.end) {
      out.fault('NETFLOW_TRUNCATED', at);
      return;
    }
    if (format === Sample.Flow) readSample(d, at + 8, end, 32, r, out);
    else if (format === Sample.ExpandedFlow) readSample(d, at + 8, end, 44, r, out);
    at = end;
  }
}

/** @param fixedBytes octets before the sample's flow records */
function readSample(d: Datagram, start: number, end: number, fixedBytes: number, r: FlowRecord, out: Out): void {
  const b = d.bytes;
  if (start + fixedBytes > end) {
    out.fault('NETFLOW_TRUNCATED', start);
    return;
  }
  // sequence, source id (one word, or type and index), then the rate.
  const rate = u32(b, start + (fixedBytes === 32 ? 8 : 12));
  const records = u32(b, start + fixedBytes - 4);
  let at = start + fixedBytes;
  let isRead = false;
  let isBroken = false;
  for (let i = 0; i < records && at < end; i++) {
    const next = at + 8 <= end ? at + 8 + u32(b, at + 4) : end + 1;
    if (next > end) {
      out.fault('NETFLOW_TRUNCATED', at);
      return;
    }
    const format = u32(b, at);
    // The header says most; the others stand in where there is none. Either way a sample is one packet.
    if (format === Flow.Header && !isRead) {
      isRead = readHeader(b, at + 8, next);
      isBroken = !isRead;
    } else if (format === Flow.Ipv4 && !isRead && next - at - 8 >= 32) {
      readSampledIp(b, at + 8, false, packet);
      isRead = true;
    } else if (format === Flow.Ipv6 && !isRead && next - at - 8 >= 56) {
      readSampledIp(b, at + 8, true, packet);
      isRead = true;
    }
    at = next;
  }
  if (isRead) {
    r.clear();
    packet.into(r);
    r.firstAt = d.at;
    r.lastAt = d.at;
    r.rate = rate;
    out.flow(r);
  } else if (isBroken) out.fault('SFLOW_HEADER', start);
}

function readHeader(b: Uint8Array, at: number, end: number): boolean {
  if (at + 16 > end) return false;
  const protocol = u32(b, at);
  const from = at + 16;
  const stop = from + u32(b, at + 12);
  if (stop > end) return false;
  if (protocol === Protocol.Ethernet) return readFrame(b, from, stop, packet);
  if (protocol === Protocol.Ipv4 || protocol === Protocol.Ipv6) return readIp(b, from, stop, packet);
  return protocol === Protocol.Mpls && readMpls(b, from, stop, packet);
}
