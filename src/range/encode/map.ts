// MAP arguments and results (3GPP TS 29.002): the few operations the range speaks.
import { ber } from './tcap.ts';

/** Operation code, application context and its version. */
export const MapOperation = {
  updateLocation: { code: 2, context: 1, version: 3 },
  insertSubscriberData: { code: 7, context: 16, version: 3 },
  sendRoutingInfoForSM: { code: 45, context: 20, version: 3 },
  sendAuthenticationInfo: { code: 56, context: 14, version: 3 },
  sendIMSI: { code: 58, context: 26, version: 2 },
  provideSubscriberInfo: { code: 70, context: 28, version: 3 },
  anyTimeInterrogation: { code: 71, context: 29, version: 3 },
} as const;

/** TBCD: two digits an octet, low nibble first, filler F. */
export function tbcd(digits: string): number[] {
  const out: number[] = [];
  for (let i = 0; i < digits.length; i += 2) {
    const high = i + 1 < digits.length ? Number(digits[i + 1]) : 15;
    out.push((high << 4) | Number(digits[i]));
  }
  return out;
}
/** ISDN address string: international, E.164. */
function isdn(digits: string): number[] {
  return [0x91, ...tbcd(digits)];
}

export function updateLocationArgument(imsi: string, msc: string, vlr: string): number[] {
  return ber(0x30, ber(0x04, tbcd(imsi)), ber(0x81, isdn(msc)), ber(0x04, isdn(vlr)));
}
export function updateLocationResult(hlr: string): number[] {
  return ber(0x30, ber(0x04, isdn(hlr)));
}
export function authenticationArgument(imsi: string): number[] {
  return ber(0x30, ber(0x80, tbcd(imsi)), [2, 1, 1]);
}
/** One quintuplet: RAND 16, XRES 8, CK 16, IK 16, AUTN 16 out of 72 random octets. */
export function authenticationResult(random: Uint8Array): number[] {
  const part = (from: number, bytes: number): number[] => ber(0x04, [...random.subarray(from, from + bytes)]);
  return ber(0xa3, ber(0xa1, ber(0x30, part(0, 16), part(16, 8), part(24, 16), part(40, 16), part(56, 16))));
}
export function interrogationArgument(imsi: string, gsmScf: string): number[] {
  return ber(0x30, ber(0xa0, ber(0x80, tbcd(imsi))), ber(0xa1, [0x80, 0, 0x81, 0]), ber(0x83, isdn(gsmScf)));
}
export function subscriberInfoArgument(imsi: string): number[] {
  return ber(0x30, ber(0x80, tbcd(imsi)), ber(0xa2, [0x80, 0]));
}
/** Location with age (minutes), VLR and cell global identity; subscriber idle. Also the answer to an interrogation. */
export function subscriberInfoResult(
  ageMinutes: number,
  vlr: string,
  plmn: string,
  lac: number,
  cell: number,
): number[] {
  const cgi = [...plmnOctets(plmn), lac >>> 8, lac & 255, cell >>> 8, cell & 255];
  const location = ber(0xa0, [2, 1, ageMinutes & 127], ber(0x81, isdn(vlr)), ber(0xa3, ber(0x80, cgi)));
  return ber(0x30, ber(0x30, location, ber(0xa1, [0x80, 0])));
}
export function routingForSmArgument(msisdn: string, serviceCentre: string): number[] {
  return ber(0x30, ber(0x80, isdn(msisdn)), [0x81, 1, 0xff], ber(0x82, isdn(serviceCentre)));
}
export function routingForSmResult(imsi: string, msc: string): number[] {
  return ber(0x30, ber(0x04, tbcd(imsi)), ber(0xa0, ber(0x81, isdn(msc))));
}
export function sendImsiArgument(msisdn: string): number[] {
  return ber(0x04, isdn(msisdn));
}
export function sendImsiResult(imsi: string): number[] {
  return ber(0x04, tbcd(imsi));
}
/** Subscriber data with IMSI, MSISDN and category 10 (ordinary). */
export function subscriberDataArgument(imsi: string, msisdn: string): number[] {
  return ber(0x30, ber(0x80, tbcd(imsi)), ber(0x81, isdn(msisdn)), ber(0x82, [0x0a]));
}
export function subscriberDataResult(): number[] {
  return ber(0x30);
}

/** MCC and MNC (5 or 6 digits) in three octets (TS 24.008 10.5.1.3). */
export function plmnOctets(plmn: string): number[] {
  const d = [...plmn].map(Number);
  const third = plmn.length === 6 ? d[5]! : 15;
  return [(d[1]! << 4) | d[0]!, (third << 4) | d[2]!, (d[4]! << 4) | d[3]!];
}
