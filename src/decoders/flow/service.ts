// What the first payload bytes of a flow say it speaks.
import { Service } from '#events';
import { isHttpRequest } from './http.ts';

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
