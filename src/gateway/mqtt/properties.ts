// MQTT 5 properties, section 2.2.2: which exist, their type, where each may stand, and what each may hold.
import type { Cursor } from './cursor.ts';
import { Id, noProperties, type Properties, type Property, type PropertyValue, Reason } from './packets.ts';

/** Where a property may stand; the will has its own list (section 3.1.3.2). */
export const Place = {
  connect: 1,
  will: 2,
  connack: 4,
  publish: 8,
  ack: 16,
  subscribe: 32,
  suback: 64,
  unsubscribe: 128,
  disconnect: 256,
  auth: 512,
} as const;
const everywhere = 1023;

type Wire = 'bool' | 'u8' | 'u16' | 'u32' | 'varint' | 'string' | 'binary' | 'pair';
interface Rule {
  readonly wire: Wire;
  readonly places: number;
  /** Zero is a protocol error. */
  readonly positive: boolean;
}
const p = Place;
const rules = new Map<number, Rule>([
  rule(Id.PayloadFormat, 'bool', p.publish | p.will),
  rule(Id.MessageExpiry, 'u32', p.publish | p.will),
  rule(Id.ContentType, 'string', p.publish | p.will),
  rule(Id.ResponseTopic, 'string', p.publish | p.will),
  rule(Id.CorrelationData, 'binary', p.publish | p.will),
  rule(Id.SubscriptionId, 'varint', p.publish | p.subscribe, true),
  rule(Id.SessionExpiry, 'u32', p.connect | p.connack | p.disconnect),
  rule(Id.AssignedClientId, 'string', p.connack),
  rule(Id.ServerKeepAlive, 'u16', p.connack),
  rule(Id.AuthMethod, 'string', p.connect | p.connack | p.auth),
  rule(Id.AuthData, 'binary', p.connect | p.connack | p.auth),
  rule(0x17, 'bool', p.connect),
  rule(Id.WillDelay, 'u32', p.will),
  rule(0x19, 'bool', p.connect),
  rule(0x1a, 'string', p.connack),
  rule(0x1c, 'string', p.connack | p.disconnect),
  rule(Id.ReasonString, 'string', p.connack | p.ack | p.suback | p.disconnect | p.auth),
  rule(Id.ReceiveMaximum, 'u16', p.connect | p.connack, true),
  rule(Id.TopicAliasMaximum, 'u16', p.connect | p.connack),
  rule(Id.TopicAlias, 'u16', p.publish),
  rule(0x24, 'bool', p.connack),
  rule(0x25, 'bool', p.connack),
  rule(Id.UserProperty, 'pair', everywhere),
  rule(Id.MaximumPacketSize, 'u32', p.connect | p.connack, true),
  rule(0x28, 'bool', p.connack),
  rule(0x29, 'bool', p.connack),
  rule(Id.SharedAvailable, 'bool', p.connack),
]);

function rule(id: number, wire: Wire, places: number, positive = false): [number, Rule] {
  return [id, { wire, places, positive }];
}

/** Properties of any kind in one packet; a flood of user properties buys CPU in every reader (Mosquitto 2.0.12 notes). */
export const PROPERTIES_MAX = 64;

export function readProperties(cursor: Cursor, place: number): Properties {
  const length = cursor.varint();
  if (cursor.failed !== 0 || length === 0) return noProperties;
  if (length > cursor.left) {
    cursor.fail('the properties are longer than the packet');
    return noProperties;
  }
  const end = cursor.end;
  cursor.end = cursor.at + length;
  const out: Property[] = [];
  // Bit per id: ids are below 64, two words suffice. Only user properties may repeat, and subscription ids in PUBLISH.
  let seenLow = 0;
  let seenHigh = 0;
  while (cursor.left > 0 && cursor.failed === 0) {
    const id = cursor.varint();
    const r = rules.get(id);
    if (r === undefined || (r.places & place) === 0) {
      cursor.fail(`property 0x${id.toString(16)} does not belong here`);
      break;
    }
    if (out.length >= PROPERTIES_MAX) {
      cursor.fail(`more than ${PROPERTIES_MAX} properties`, Reason.QuotaExceeded);
      break;
    }
    if (id !== Id.UserProperty && !(id === Id.SubscriptionId && place === Place.publish)) {
      const bit = 1 << (id & 31);
      if ((id < 32 ? seenLow : seenHigh) & bit)
        cursor.fail(`property 0x${id.toString(16)} twice`, Reason.ProtocolError);
      if (id < 32) seenLow |= bit;
      else seenHigh |= bit;
    }
    const value = readValue(cursor, r.wire);
    if (r.positive && value === 0) cursor.fail(`property 0x${id.toString(16)} is zero`, Reason.ProtocolError);
    out.push({ id, value });
  }
  if (cursor.failed !== 0) return noProperties;
  cursor.end = end;
  return out;
}

function readValue(cursor: Cursor, wire: Wire): PropertyValue {
  switch (wire) {
    case 'bool': {
      const value = cursor.u8();
      if (value > 1) cursor.fail('a yes-or-no property is neither 0 nor 1', Reason.ProtocolError);
      return value;
    }
    case 'u8':
      return cursor.u8();
    case 'u16':
      return cursor.u16();
    case 'u32':
      return cursor.u32();
    case 'varint':
      return cursor.varint();
    case 'string':
      return cursor.string();
    case 'binary':
      return cursor.binary();
    case 'pair':
      return [cursor.string(), cursor.string()];
  }
}

export function wireOf(id: number): Wire | undefined {
  return rules.get(id)?.wire;
}
