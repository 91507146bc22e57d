// The packets of MQTT 3.1.1 and 5 (OASIS) as plain values, the same for both versions: 3.1.1 leaves properties empty and
// reasons zero. Decoding and encoding meet here, so that what is forwarded is built from what was decided on.

export type Version = 4 | 5;
export type Qos = 0 | 1 | 2;
/** Which end sends: the packets that a server may send are not those of a client. */
export type Sender = 'client' | 'server';

/** Integers, text, bytes, or a pair (user property, section 2.2.2.2). */
export type PropertyValue = number | string | Uint8Array | readonly [string, string];
export interface Property {
  readonly id: number;
  readonly value: PropertyValue;
}
export type Properties = readonly Property[];
export const noProperties: Properties = [];

export interface Will {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly properties: Properties;
}
export interface Connect {
  readonly type: 'connect';
  readonly version: Version;
  readonly cleanStart: boolean;
  /** Seconds; 0 turns it off. */
  readonly keepAlive: number;
  readonly clientId: string;
  readonly will: Will | undefined;
  readonly username: string | undefined;
  readonly password: Uint8Array | undefined;
  readonly properties: Properties;
}
export interface Connack {
  readonly type: 'connack';
  readonly sessionPresent: boolean;
  readonly reason: number;
  readonly properties: Properties;
}
export interface Publish {
  readonly type: 'publish';
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;
  /** 0 at QoS 0, where the wire has none. */
  readonly id: number;
  readonly properties: Properties;
}
export interface Ack {
  readonly type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp';
  readonly id: number;
  readonly reason: number;
  readonly properties: Properties;
}
export interface Subscription {
  readonly filter: string;
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
}
export interface Subscribe {
  readonly type: 'subscribe';
  readonly id: number;
  readonly properties: Properties;
  readonly filters: readonly Subscription[];
}
export interface Unsubscribe {
  readonly type: 'unsubscribe';
  readonly id: number;
  readonly properties: Properties;
  readonly filters: readonly string[];
}
export interface SubscribeAck {
  readonly type: 'suback' | 'unsuback';
  readonly id: number;
  readonly properties: Properties;
  readonly reasons: readonly number[];
}
export interface Ping {
  readonly type: 'pingreq' | 'pingresp';
}
export interface Ending {
  readonly type: 'disconnect' | 'auth';
  readonly reason: number;
  readonly properties: Properties;
}
export type Packet = Connect | Connack | Publish | Ack | Subscribe | Unsubscribe | SubscribeAck | Ping | Ending;

/** What can't be read: the v5 reason to close with, and a sentence. */
export interface Malformed {
  readonly type: 'malformed';
  readonly reason: number;
  readonly text: string;
}

/** Section 2.4. */
export const Reason = {
  Success: 0x00,
  NoMatchingSubscribers: 0x10,
  NoSubscriptionExisted: 0x11,
  Unspecified: 0x80,
  Malformed: 0x81,
  ProtocolError: 0x82,
  UnsupportedVersion: 0x84,
  ClientIdNotValid: 0x85,
  NotAuthorised: 0x87,
  ServerUnavailable: 0x88,
  ServerBusy: 0x89,
  ShuttingDown: 0x8b,
  BadAuthenticationMethod: 0x8c,
  KeepAliveTimeout: 0x8d,
  SessionTakenOver: 0x8e,
  FilterInvalid: 0x8f,
  TopicNameInvalid: 0x90,
  PacketIdInUse: 0x91,
  PacketIdNotFound: 0x92,
  ReceiveMaximum: 0x93,
  TopicAliasInvalid: 0x94,
  PacketTooLarge: 0x95,
  QuotaExceeded: 0x97,
  Administrative: 0x98,
  PayloadFormat: 0x99,
  RetainNotSupported: 0x9a,
  SharedNotSupported: 0x9e,
} as const;

/** Property ids of section 2.2.2.2 that the gateway itself reads or sets. */
export const Id = {
  PayloadFormat: 0x01,
  MessageExpiry: 0x02,
  ContentType: 0x03,
  ResponseTopic: 0x08,
  CorrelationData: 0x09,
  SubscriptionId: 0x0b,
  SessionExpiry: 0x11,
  AssignedClientId: 0x12,
  ServerKeepAlive: 0x13,
  AuthMethod: 0x15,
  AuthData: 0x16,
  WillDelay: 0x18,
  ReasonString: 0x1f,
  ReceiveMaximum: 0x21,
  TopicAliasMaximum: 0x22,
  TopicAlias: 0x23,
  UserProperty: 0x26,
  MaximumPacketSize: 0x27,
  SharedAvailable: 0x2a,
} as const;

/** The number property `id`, or `otherwise`. */
export function numberOf(properties: Properties, id: number, otherwise: number): number {
  for (const p of properties) if (p.id === id) return p.value as number;
  return otherwise;
}
