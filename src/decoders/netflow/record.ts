// One flow record as an exporter tells it, whatever the version: one direction, or both where it is a biflow. One reused value.
import type { Origin } from '#events';

export class FlowRecord {
  /** Eight words: source, then destination. */
  readonly addresses = new Uint32Array(8);
  sourcePort = 0;
  destinationPort = 0;
  protocol = 0;
  /** ICMP type of the (first) packet, -1 for other protocols. */
  icmpType = -1;
  /** All TCP flags seen, from the source; `reverseFlags` from the destination. */
  tcpFlags = 0;
  reverseFlags = 0;
  packets = 0;
  /** IP octets, headers included. */
  bytes = 0;
  reversePackets = 0;
  reverseBytes = 0;
  /** Whether the record speaks of both directions: its source began the flow. */
  isBiflow = false;
  /** Whether counts are since the flow began (85, 86, firewall events), not since the record before. */
  isTotal = false;
  /** Octets above the transport header of one packet where they are known, else -1: then they are estimated. */
  payload = -1;
  /** Microseconds since the epoch. */
  firstAt = 0;
  lastAt = 0;
  /** flowEndReason (136): 1 idle, 2 active, 3 end, 4 forced, 5 resources; 0 not told. */
  endReason = 0;
  /** flowDirection (61): 0 ingress, 1 egress; -1 not told. */
  direction = -1;
  /** Packets on the wire for each one counted; 1 where all are, 0 where it is not known. */
  rate = 0;

  clear(): void {
    for (let k = 0; k < 8; k++) this.addresses[k] = 0;
    this.sourcePort = 0;
    this.destinationPort = 0;
    this.protocol = 0;
    this.icmpType = -1;
    this.tcpFlags = 0;
    this.reverseFlags = 0;
    this.packets = 0;
    this.bytes = 0;
    this.reversePackets = 0;
    this.reverseBytes = 0;
    this.isBiflow = false;
    this.isTotal = false;
    this.payload = -1;
    this.firstAt = 0;
    this.lastAt = 0;
    this.endReason = 0;
    this.direction = -1;
    this.rate = 0;
  }
}

/** What a walker needs to know of the datagram it is in; one reused value. */
export class Datagram {
  bytes: Uint8Array = new Uint8Array(0);
  /** [start, end) lie in `bytes`. */
  start = 0;
  end = 0;
  /** What offsets of faults count from: the place in `bytes` where the whole datagram began. */
  base = 0;
  /** Arrival, microseconds. */
  at = 0;
  place = 0;
  origin: Origin = { file: '', placed: 'frame' };
  /** Time of export, microseconds, and the exporter's milliseconds since its boot (-1 where not told). */
  exportAt = 0;
  uptimeMillis = -1;
}

/** What walkers hand their results to. */
export interface Out {
  flow(record: FlowRecord): void;
  /** @param position in the datagram's buffer */
  fault(code: string, position: number): void;
}

/**
 * Seconds of a 32-bit counter since the epoch, in the era (2^32 s, the next begins in 2106) nearest to the arrival.
 * @param arrivalAt microseconds
 */
export function secondsNear(seconds: number, arrivalAt: number): number {
  return seconds + Math.round((arrivalAt / 1e6 - seconds) / 2 ** 32) * 2 ** 32;
}

/** Microseconds of a stamp in milliseconds of uptime: the signed 32-bit difference survives the wrap after 49.7 days. */
export function uptimeAt(stampMillis: number, uptimeMillis: number, exportAt: number): number {
  return exportAt - ((uptimeMillis - stampMillis) | 0) * 1000;
}

export function u16(b: Uint8Array, at: number): number {
  return (b[at]! << 8) | b[at + 1]!;
}

export function u32(b: Uint8Array, at: number): number {
  return ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0;
}

/** Big-endian number of any length; beyond 53 bits it loses the lowest. Longer than 8 octets: the last 8. */
export function uint(b: Uint8Array, at: number, length: number): number {
  if (length === 8) return u32(b, at) * 2 ** 32 + u32(b, at + 4);
  let value = 0;
  for (let i = Math.max(0, length - 8); i < length; i++) value = value * 256 + b[at + i]!;
  return value;
}

/** The four words of an IPv4 address, mapped (#lib/address). */
export function ipv4Words(b: Uint8Array, at: number, words: Uint32Array, to: number): void {
  words[to] = 0;
  words[to + 1] = 0;
  words[to + 2] = 0xffff;
  words[to + 3] = u32(b, at);
}

export function ipv6Words(b: Uint8Array, at: number, words: Uint32Array, to: number): void {
  for (let k = 0; k < 4; k++) words[to + k] = u32(b, at + 4 * k);
}

/** TCP flags (RFC 9293 3.1) that are looked at. */
export const Tcp = { Fin: 1, Syn: 2, Rst: 4, Ack: 16 } as const;

/**
 * Octets above the transport header. Records count IP octets only, so headers are taken off as they usually are: TCP 32 with
 * time stamps (RFC 7323), 40 in a SYN. Where a stack has no time stamps this is up to 12 a packet too low, never too high.
 */
export function payloadOf(r: FlowRecord, packets: number, bytes: number, flags: number): number {
  if (r.payload >= 0) return r.payload;
  const isIpv4 = r.addresses[0] === 0 && r.addresses[1] === 0 && r.addresses[2] === 0xffff;
  const transport = r.protocol === 6 ? 32 : r.protocol === 17 ? 8 : r.protocol === 132 ? 12 : 0;
  const syn = r.protocol === 6 && (flags & Tcp.Syn) !== 0 ? 8 : 0;
  return Math.max(0, bytes - packets * ((isIpv4 ? 20 : 40) + transport) - syn);
}
