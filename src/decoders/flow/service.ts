// What a flow speaks, by its first payload bytes where these tell, else by the responder's port. Numbers are those of
// events/flow.ts.
import { clientHelloName, type NameRange } from '#decoders/tls';

export const Service = {
  Unknown: 0,
  Tls: 1,
  Http: 2,
  Smb: 3,
  Dcerpc: 4,
  Ssh: 5,
  Rdp: 6,
  Mqtt: 7,
  Modbus: 8,
  Iec104: 9,
  Dns: 10,
  Winrm: 11,
  Dnp3: 12,
  Kerberos: 13,
} as const;

const byPort: Readonly<Record<number, number>> = {
  22: 5,
  53: 10,
  80: 2,
  88: 13,
  135: 4,
  139: 3,
  443: 1,
  445: 3,
  502: 8,
  853: 1,
  1883: 7,
  2404: 9,
  3389: 6,
  5985: 11,
  5986: 11,
  8883: 7,
  20000: 12,
};
const portService = new Uint8Array(65_536);
for (const [port, service] of Object.entries(byPort)) portService[Number(port)] = service;

export function serviceOfPort(port: number): number {
  return portService[port]!;
}

const range: NameRange = { offset: 0, length: 0 };

/**
 * Looks at one payload. `name` receives the TLS server name or HTTP host, its length 0 where there is none.
 * @returns a service, 0 where the bytes don't tell
 */
export function serviceOfPayload(b: Uint8Array, at: number, length: number, name: NameRange): number {
  name.length = 0;
  if (length < 4) return 0;
  const c = b[at]!;
  if (c === 0x16) {
    if (!clientHelloName(b, at, length, range)) return b[at + 1] === 3 ? Service.Tls : 0;
    name.offset = range.offset;
    name.length = range.length;
    return Service.Tls;
  }
  if (c === 0x53 && b[at + 1] === 0x53 && b[at + 2] === 0x48 && b[at + 3] === 0x2d) return Service.Ssh;
  // NetBIOS session header, then 0xff or 0xfe "SMB".
  if (
    c === 0 &&
    length >= 8 &&
    (b[at + 4] === 0xff || b[at + 4] === 0xfe) &&
    b[at + 5] === 0x53 &&
    b[at + 6] === 0x4d &&
    b[at + 7] === 0x42
  )
    return Service.Smb;
  // DCERPC 5.0 bind.
  if (c === 5 && b[at + 1] === 0 && b[at + 2] === 11) return Service.Dcerpc;
  // TPKT, then an X.224 connection request: RDP, S7 and MMS share it; the port tells them apart.
  if (c === 0x10 && length >= 8 && b[at + 4] === 0x4d && b[at + 5] === 0x51) return Service.Mqtt;
  if (isMethod(b, at)) {
    host(b, at, length, name);
    return Service.Http;
  }
  return 0;
}

/** GET, POST, PUT, HEAD, CONNECT, OPTIONS, PATCH, DELETE: capitals up to a blank. */
function isMethod(b: Uint8Array, at: number): boolean {
  const c = b[at]!;
  const d = b[at + 1]!;
  const e = b[at + 2]!;
  return (
    (c === 0x47 && d === 0x45 && e === 0x54 && b[at + 3] === 0x20) ||
    (c === 0x50 && ((d === 0x4f && e === 0x53) || (d === 0x55 && e === 0x54) || (d === 0x41 && e === 0x54))) ||
    (c === 0x48 && d === 0x45 && e === 0x41) ||
    (c === 0x43 && d === 0x4f && e === 0x4e && b[at + 3] === 0x4e) ||
    (c === 0x4f && d === 0x50 && e === 0x54) ||
    (c === 0x44 && d === 0x45 && e === 0x4c)
  );
}

/** The Host header, or the authority of a CONNECT, without its port. */
function host(b: Uint8Array, start: number, length: number, name: NameRange): void {
  const end = start + Math.min(length, 2048);
  if (b[start] === 0x43) {
    const at = start + 8;
    let stop = at;
    while (stop < end && b[stop]! > 0x20 && b[stop] !== 0x3a) stop += 1;
    name.offset = at;
    // A name that the segment cuts is none: a part of it would be another's name.
    name.length = stop < end ? stop - at : 0;
    return;
  }
  for (let at = start; at + 7 < end; at++) {
    if (
      b[at] !== 0x0a ||
      (b[at + 1]! | 32) !== 0x68 ||
      (b[at + 2]! | 32) !== 0x6f ||
      (b[at + 3]! | 32) !== 0x73 ||
      (b[at + 4]! | 32) !== 0x74 ||
      b[at + 5] !== 0x3a
    )
      continue;
    let from = at + 6;
    while (from < end && b[from] === 0x20) from += 1;
    let stop = from;
    while (stop < end && b[stop]! > 0x20 && b[stop] !== 0x3a) stop += 1;
    name.offset = from;
    name.length = stop < end ? Math.min(stop - from, 255) : 0;
    return;
  }
}
