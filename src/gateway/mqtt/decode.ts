// One MQTT packet, 3.1.1 or 5, from its bytes. Strict: what either version forbids is refused, as is what two parsers
// could read in two ways. 3.1 (MQIsdp) is refused by its version. A string of an answer is for a log, not for a peer.
import { Cursor } from './cursor.ts';
import {
  type Connect,
  Id,
  type Malformed,
  noProperties,
  numberOf,
  type Packet,
  type Properties,
  type Qos,
  Reason,
  type Sender,
  type Subscription,
  type Version,
} from './packets.ts';
import { Place, readProperties } from './properties.ts';

/** Filters in one SUBSCRIBE or UNSUBSCRIBE. */
export const FILTERS_MAX = 256;

/**
 * @param first first octet: type and flags
 * @param body bytes that hold the packet's variable header and payload from `start` to `end`; kept by the result
 */
export function decode(
  first: number,
  body: Uint8Array,
  start: number,
  end: number,
  version: Version,
  sender: Sender,
): Packet | Malformed {
  const c = new Cursor(body, start, end);
  const packet = read(first, c, version, sender);
  if (c.failed === 0 && c.left > 0) c.fail('octets are left after the packet');
  if (c.failed !== 0 || packet === undefined)
    return { type: 'malformed', reason: c.failed || Reason.Malformed, text: c.text };
  return packet;
}

const names = ['', 'connect', 'connack', 'publish', 'puback', 'pubrec', 'pubrel', 'pubcomp', 'subscribe', 'suback'];
/** Types a client may send, one bit each: 1, 3-8, 10, 12, 14, 15; a server: 2-7, 9, 11, 13, 14, 15. */
const sendable = { client: 0b1101_0101_1111_1010, server: 0b1110_1010_1111_1100 };

function read(first: number, c: Cursor, version: Version, sender: Sender): Packet | undefined {
  const type = first >> 4;
  const flags = first & 15;
  if ((sendable[sender] & (1 << type)) === 0) {
    c.fail(`a ${sender} may not send packet type ${type}`, Reason.ProtocolError);
    return undefined;
  }
  // Section 2.1.3: reserved flags.
  if (type !== 3 && flags !== (type === 6 || type === 8 || type === 10 ? 2 : 0)) {
    c.fail('reserved flags of the fixed header are set');
    return undefined;
  }
  const five = version === 5;
  switch (type) {
    case 1:
      return readConnect(c);
    case 2: {
      const ack = c.u8();
      if (ack > 1) c.fail('reserved acknowledge flags are set');
      const reason = c.u8();
      return {
        type: 'connack',
        sessionPresent: ack === 1,
        reason,
        properties: five ? readProperties(c, Place.connack) : noProperties,
      };
    }
    case 3:
      return readPublish(c, flags, five, sender);
    case 4:
    case 5:
    case 6:
    case 7: {
      const id = packetId(c);
      // Sections 3.4.2.1 and on: reason and properties may be left out.
      const reason = five && c.left > 0 ? c.u8() : 0;
      if (five && !ackReasons[type]!.includes(reason)) c.fail('a reason code that this packet does not have');
      const properties = five && c.left > 0 ? readProperties(c, Place.ack) : noProperties;
      return { type: names[type] as 'puback', id, reason, properties };
    }
    case 8: {
      const id = packetId(c);
      const properties = five ? readProperties(c, Place.subscribe) : noProperties;
      const filters: Subscription[] = [];
      while (c.left > 0 && filters.length < FILTERS_MAX) {
        const filter = c.string();
        const options = c.u8();
        if (filter === '') c.fail('an empty topic filter');
        if ((options & 3) === 3 || (options & (five ? 0xc0 : 0xfc)) !== 0 || (options & 0x30) === 0x30)
          c.fail(
            'subscription options that do not exist',
            (options & 3) === 3 ? Reason.ProtocolError : Reason.Malformed,
          );
        filters.push({
          filter,
          qos: (options & 3) as Qos,
          noLocal: (options & 4) !== 0,
          retainAsPublished: (options & 8) !== 0,
          retainHandling: ((options >> 4) & 3) as 0 | 1 | 2,
        });
      }
      if (filters.length === 0) c.fail('a SUBSCRIBE without a filter', Reason.ProtocolError);
      if (c.left > 0) c.fail(`more than ${FILTERS_MAX} filters`, Reason.QuotaExceeded);
      return { type: 'subscribe', id, properties, filters };
    }
    case 10: {
      const id = packetId(c);
      const properties = five ? readProperties(c, Place.unsubscribe) : noProperties;
      const filters: string[] = [];
      while (c.left > 0 && filters.length < FILTERS_MAX) {
        const filter = c.string();
        if (filter === '') c.fail('an empty topic filter');
        filters.push(filter);
      }
      if (filters.length === 0) c.fail('an UNSUBSCRIBE without a filter', Reason.ProtocolError);
      if (c.left > 0) c.fail(`more than ${FILTERS_MAX} filters`, Reason.QuotaExceeded);
      return { type: 'unsubscribe', id, properties, filters };
    }
    case 9:
    case 11: {
      const id = packetId(c);
      const properties = five ? readProperties(c, Place.suback) : noProperties;
      return { type: type === 9 ? 'suback' : 'unsuback', id, properties, reasons: Array.from(c.rest()) };
    }
    case 12:
    case 13:
      return { type: type === 12 ? 'pingreq' : 'pingresp' };
    default: {
      if (!five) {
        if (type === 15) c.fail('AUTH does not exist in 3.1.1', Reason.ProtocolError);
        return { type: 'disconnect', reason: 0, properties: noProperties };
      }
      const reason = c.left > 0 ? c.u8() : 0;
      const properties = c.left > 0 ? readProperties(c, type === 14 ? Place.disconnect : Place.auth) : noProperties;
      const known = type === 15 ? authReasons : sender === 'client' ? clientEnds : serverEnds;
      if (!known.includes(reason)) c.fail('a reason code that this packet does not have');
      return { type: type === 14 ? 'disconnect' : 'auth', reason, properties };
    }
  }
}

const pubReasons = [0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
const ackReasons: Readonly<Record<number, readonly number[]>> = {
  4: pubReasons,
  5: pubReasons,
  6: [0, 0x92],
  7: [0, 0x92],
};
const authReasons = [0, 0x18, 0x19];
const shared = [0, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99];
const clientEnds = [...shared, 0x04];
const serverEnds = [
  ...shared,
  ...[0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2],
];

function packetId(c: Cursor): number {
  const id = c.u16();
  if (id === 0) c.fail('packet identifier 0', Reason.ProtocolError);
  return id;
}

function readPublish(c: Cursor, flags: number, five: boolean, sender: Sender): Packet {
  const qos = (flags >> 1) & 3;
  if (qos === 3) c.fail('QoS 3 does not exist');
  if (qos === 0 && (flags & 8) !== 0) c.fail('DUP at QoS 0');
  const topic = c.string();
  const id = qos > 0 ? packetId(c) : 0;
  const properties = five ? readProperties(c, Place.publish) : noProperties;
  if (topic === '') {
    if (numberOf(properties, Id.TopicAlias, -1) === -1) c.fail('an empty topic name', Reason.ProtocolError);
  } else if (/[+#]/.test(topic)) c.fail('a wildcard in a topic name', Reason.TopicNameInvalid);
  checkMessage(c, properties);
  if (sender === 'client' && properties.some((q) => q.id === Id.SubscriptionId))
    c.fail('a client may not send a subscription identifier', Reason.ProtocolError);
  return {
    type: 'publish',
    topic,
    payload: c.rest(),
    qos: qos as Qos,
    retain: (flags & 1) !== 0,
    dup: (flags & 8) !== 0,
    id,
    properties,
  };
}

/** What a will and a message share. */
function checkMessage(c: Cursor, properties: Properties): void {
  for (const q of properties) {
    if (q.id === Id.ResponseTopic && (q.value === '' || /[+#]/.test(q.value as string)))
      c.fail('a response topic that is no topic name', Reason.ProtocolError);
    if (q.id === Id.TopicAlias && q.value === 0) c.fail('topic alias 0', Reason.TopicAliasInvalid);
  }
}

function readConnect(c: Cursor): Connect | undefined {
  const protocol = c.string();
  const level = c.u8();
  // Told apart from garbage, since section 3.1.2.2 lets a server answer an unknown version.
  if (protocol !== 'MQTT' || (level !== 4 && level !== 5)) {
    c.fail(
      'neither MQTT 3.1.1 nor 5',
      protocol === 'MQTT' || protocol === 'MQIsdp' ? Reason.UnsupportedVersion : Reason.ProtocolError,
    );
    return undefined;
  }
  const flags = c.u8();
  const keepAlive = c.u16();
  if ((flags & 1) !== 0) c.fail('the reserved connect flag is set');
  const hasWill = (flags & 4) !== 0;
  const willQos = (flags >> 3) & 3;
  if (willQos === 3) c.fail('a will of QoS 3');
  if (!hasWill && (flags & 0x38) !== 0) c.fail('will flags without a will');
  if (level === 4 && (flags & 0x40) !== 0 && (flags & 0x80) === 0) c.fail('a password without a user name');
  const properties = level === 5 ? readProperties(c, Place.connect) : noProperties;
  const clientId = c.string();
  let will: Connect['will'];
  if (hasWill) {
    const willProperties = level === 5 ? readProperties(c, Place.will) : noProperties;
    const topic = c.string();
    if (topic === '' || /[+#]/.test(topic)) c.fail('a will topic that is no topic name');
    checkMessage(c, willProperties);
    const payload = c.binary();
    will = { topic, payload, qos: willQos as Qos, retain: (flags & 0x20) !== 0, properties: willProperties };
  }
  const username = (flags & 0x80) !== 0 ? c.string() : undefined;
  const password = (flags & 0x40) !== 0 ? c.binary() : undefined;
  if (properties.some((q) => q.id === Id.AuthData) && !properties.some((q) => q.id === Id.AuthMethod))
    c.fail('authentication data without a method', Reason.ProtocolError);
  const cleanStart = (flags & 2) !== 0;
  return { type: 'connect', version: level, cleanStart, keepAlive, clientId, will, username, password, properties };
}
