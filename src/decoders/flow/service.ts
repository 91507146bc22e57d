// What a flow speaks, by its first payload bytes where these tell, else by the responder's port. Numbers are those of
// events/flow.ts.
import { isHttpRequest } from './http.ts';

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
  Quic: 14,
  Socks: 15,
  Dtls: 16,
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

/** What a port means in TCP means another carrier in UDP: 443 is HTTP/3, 853 DNS over QUIC. */
export function serviceOfFlow(port: number, protocol: number): number {
  const service = portService[port]!;
  return protocol === 17 && service === Service.Tls ? Service.Quic : service;
}

/** @returns a service that the first bytes of a payload tell, TLS aside; 0 where they don't */
export function serviceOfPayload(b: Uint8Array, at: number, length: number): number {
  if (length < 4) return 0;
  const c = b[at]!;
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
  if (c === 0x10 && length >= 8 && b[at + 4] === 0x4d && b[at + 5] === 0x51) return Service.Mqtt;
  return isHttpRequest(b, at) ? Service.Http : 0;
}
