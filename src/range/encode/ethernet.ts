// Ethernet II, IPv4 (RFC 791) and UDP (RFC 768), with right checksums. Addresses are 32-bit numbers.

/** `10.1.0.53` as a number. */
export function ipv4(text: string): number {
  let value = 0;
  for (const part of text.split('.')) value = value * 256 + Number(part);
  return value;
}
export function ipText(ip: number): string {
  return `${(ip >>> 24) & 255}.${(ip >>> 16) & 255}.${(ip >>> 8) & 255}.${ip & 255}`;
}

/** Sum of 16-bit words, not folded. */
export function sum16(bytes: Uint8Array, start: number, end: number): number {
  let sum = 0;
  let i = start;
  for (; i + 1 < end; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!;
  if (i < end) sum += bytes[i]! << 8;
  return sum;
}
export function fold(sum: number): number {
  let s = sum;
  while (s > 0xffff) s = Math.floor(s / 65536) + (s & 0xffff);
  return ~s & 0xffff;
}
function put16(b: Uint8Array, o: number, v: number): void {
  b[o] = v >>> 8;
  b[o + 1] = v;
}
function put32(b: Uint8Array, o: number, v: number): void {
  b[o] = v >>> 24;
  b[o + 1] = v >>> 16;
  b[o + 2] = v >>> 8;
  b[o + 3] = v;
}

/** Locally administered MAC addresses: own for private addresses, the border router's for all others. */
function putMac(b: Uint8Array, o: number, ip: number): void {
  const ours = ip >>> 24 === 10;
  b[o] = 2;
  b[o + 1] = 0;
  put32(b, o + 2, ours ? ip : 0x0affffff);
}

export const ipHeaderBytes = 34;
let identification = 1;
/** Starts the IP identification counter again, so that a run depends on nothing before it. */
export function resetIdentification(): void {
  identification = 1;
}

/** A frame with Ethernet and IPv4 headers and room for `payloadBytes`; the caller fills from offset 34. */
export function ipFrame(from: number, to: number, protocol: number, payloadBytes: number): Uint8Array {
  const total = 20 + payloadBytes;
  const b = new Uint8Array(Math.max(60, 14 + total));
  putMac(b, 0, to);
  putMac(b, 6, from);
  b[12] = 8;
  b[14] = 0x45;
  put16(b, 16, total);
  put16(b, 18, identification++ & 0xffff);
  b[20] = 0x40;
  b[22] = 64;
  b[23] = protocol;
  put32(b, 26, from);
  put32(b, 30, to);
  put16(b, 24, fold(sum16(b, 14, 34)));
  return b;
}

/** Checksum over the pseudo-header and the transport segment from 34 on. */
export function transportChecksum(b: Uint8Array, protocol: number, bytes: number): number {
  return fold(sum16(b, 26, 34) + protocol + bytes + sum16(b, 34, 34 + bytes));
}

export function udpFrame(from: number, fromPort: number, to: number, toPort: number, payload: Uint8Array): Uint8Array {
  const bytes = 8 + payload.length;
  const b = ipFrame(from, to, 17, bytes);
  put16(b, 34, fromPort);
  put16(b, 36, toPort);
  put16(b, 38, bytes);
  b.set(payload, 42);
  put16(b, 40, transportChecksum(b, 17, bytes) || 0xffff);
  return b;
}
