// SCCP unitdata (ITU-T Q.713): class 0, global titles with GTI 4, E.164, international.

export interface SccpAddress {
  readonly digits: string;
  readonly ssn: number;
}
export const Ssn = { hlr: 6, vlr: 7, msc: 8, gsmScf: 147, sgsn: 149 } as const;

function address(a: SccpAddress): number[] {
  const out = [0x12, a.ssn, 0, a.digits.length % 2 === 1 ? 0x11 : 0x12, 4];
  for (let i = 0; i < a.digits.length; i += 2) {
    const low = Number(a.digits[i]);
    const high = i + 1 < a.digits.length ? Number(a.digits[i + 1]) : 0;
    out.push((high << 4) | low);
  }
  return out;
}

/** @throws RangeError where the data does not fit into one unitdata. */
export function unitdata(called: SccpAddress, calling: SccpAddress, data: Uint8Array): Uint8Array {
  const to = address(called);
  const from = address(calling);
  if (data.length > 254) throw new RangeError('too long for unitdata');
  // Pointers count from their own octet.
  const head = [0x09, 0x00, 3, 3 + to.length, 3 + to.length + from.length];
  return Uint8Array.from([...head, to.length, ...to, from.length, ...from, data.length, ...data]);
}
