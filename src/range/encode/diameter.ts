// Diameter base (RFC 6733) and S6a (3GPP TS 29.272): authentication, location update, profile insertion.
import { plmnOctets, tbcd } from './map.ts';

export const diameterProtocol = 46;
const s6a = 16777251;
const vendor = 10415;
const Command = { updateLocation: 316, authenticationInformation: 318, insertSubscriberData: 319 } as const;

type Value = string | number | Uint8Array;

/** One AVP, padded; mandatory bit set, vendor id for the 3GPP's own. */
function avp(code: number, value: Value, vendorId = 0): Uint8Array {
  const data =
    typeof value === 'string'
      ? Buffer.from(value, 'utf8')
      : typeof value === 'number'
        ? Uint8Array.from([value >>> 24, value >>> 16, value >>> 8, value])
        : value;
  const header = vendorId === 0 ? 8 : 12;
  const length = header + data.length;
  const b = new Uint8Array((length + 3) & ~3);
  const view = new DataView(b.buffer);
  view.setUint32(0, code);
  view.setUint32(4, length);
  b[4] = vendorId === 0 ? 0x40 : 0xc0;
  if (vendorId !== 0) view.setUint32(8, vendorId);
  b.set(data, header);
  return b;
}
const own = (code: number, value: Value): Uint8Array => avp(code, value, vendor);
const group = (...parts: Uint8Array[]): Uint8Array => Buffer.concat(parts);

export interface DiameterParty {
  readonly host: string;
  readonly realm: string;
}
export interface DiameterTransaction {
  readonly session: string;
  readonly hopByHop: number;
  readonly imsi: string;
  readonly from: DiameterParty;
  readonly to: DiameterParty;
}

function message(command: number, request: boolean, hopByHop: number, parts: readonly Uint8Array[]): Uint8Array {
  const length = 20 + parts.reduce((total, p) => total + p.length, 0);
  const b = new Uint8Array(length);
  const view = new DataView(b.buffer);
  view.setUint32(0, 0x01000000 | length);
  view.setUint32(4, command);
  b[4] = request ? 0xc0 : 0x40;
  view.setUint32(8, s6a);
  view.setUint32(12, hopByHop);
  view.setUint32(16, (hopByHop ^ 0x5a5a5a5a) >>> 0);
  let o = 20;
  for (const p of parts) {
    b.set(p, o);
    o += p.length;
  }
  return b;
}
const application = (): Uint8Array => avp(260, group(avp(266, vendor), avp(258, s6a)));

function requestHead(t: DiameterTransaction): Uint8Array[] {
  return [
    avp(263, t.session),
    application(),
    avp(277, 1),
    avp(264, t.from.host),
    avp(296, t.from.realm),
    avp(293, t.to.host),
    avp(283, t.to.realm),
    avp(1, t.imsi),
  ];
}
function answerHead(t: DiameterTransaction, resultCode: number): Uint8Array[] {
  return [
    avp(263, t.session),
    application(),
    avp(268, resultCode),
    avp(277, 1),
    avp(264, t.to.host),
    avp(296, t.to.realm),
  ];
}

export function authenticationRequest(t: DiameterTransaction, visitedPlmn: string): Uint8Array {
  const asked = own(1408, group(own(1410, 1), own(1412, 1)));
  return message(Command.authenticationInformation, true, t.hopByHop, [
    ...requestHead(t),
    asked,
    own(1407, Uint8Array.from(plmnOctets(visitedPlmn))),
  ]);
}
/** One E-UTRAN vector out of 72 random octets: RAND 16, XRES 8, AUTN 16, KASME 32. */
export function authenticationAnswer(t: DiameterTransaction, random: Uint8Array): Uint8Array {
  const vectorParts = group(
    own(1447, random.subarray(0, 16)),
    own(1448, random.subarray(16, 24)),
    own(1449, random.subarray(24, 40)),
    own(1450, random.subarray(40, 72)),
  );
  return message(Command.authenticationInformation, false, t.hopByHop, [
    ...answerHead(t, 2001),
    own(1413, own(1414, vectorParts)),
  ]);
}
export function locationRequest(t: DiameterTransaction, visitedPlmn: string): Uint8Array {
  return message(Command.updateLocation, true, t.hopByHop, [
    ...requestHead(t),
    own(1032, 1004),
    own(1405, 0x22),
    own(1407, Uint8Array.from(plmnOctets(visitedPlmn))),
  ]);
}
export function locationAnswer(t: DiameterTransaction, msisdn: string, apn: string): Uint8Array {
  return message(Command.updateLocation, false, t.hopByHop, [
    ...answerHead(t, 2001),
    own(1406, 1),
    subscription(msisdn, apn),
  ]);
}
export function profileRequest(t: DiameterTransaction, msisdn: string, apn: string): Uint8Array {
  return message(Command.insertSubscriberData, true, t.hopByHop, [...requestHead(t), subscription(msisdn, apn)]);
}
export function profileAnswer(t: DiameterTransaction): Uint8Array {
  return message(Command.insertSubscriberData, false, t.hopByHop, answerHead(t, 2001));
}

function subscription(msisdn: string, apn: string): Uint8Array {
  const configuration = own(1430, group(own(1423, 1), own(1456, 0), avp(493, apn)));
  const profile = own(1429, group(own(1423, 1), own(1428, 0), configuration));
  return own(1400, group(own(701, Uint8Array.from(tbcd(msisdn))), own(1424, 0), profile));
}
