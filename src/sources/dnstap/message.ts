// One dnstap frame's protobuf (dnstap.proto, github.com/dnstap/dnstap.pb). Only the fields that are used are decoded; all
// others, known or not, are passed over by their wire type. A field twice: the last one counts, as protobuf says.

import { FieldReader, Wire } from './protobuf.ts';

/** Fields of Dnstap. */
const Outer = { Message: 14, Type: 15 } as const;
const TYPE_MESSAGE = 1;
/** Fields of Message. */
const Inner = {
  Type: 1,
  Protocol: 3,
  QueryAddress: 4,
  ResponseAddress: 5,
  QueryPort: 6,
  ResponsePort: 7,
  QuerySeconds: 8,
  QueryNanos: 9,
  QueryMessage: 10,
  ResponseSeconds: 12,
  ResponseNanos: 13,
  ResponseMessage: 14,
} as const;

/** Octets of a DNS message at the most (RFC 1035 4.2.2: a 16-bit length). */
const MESSAGE_BYTES_MAX = 65_535;

/** What a frame says; one reused value. Ranges lie in the frame's buffer; absent ones have length -1, numbers are -1. */
export class DnstapMessage {
  /** Message.Type: odd is a query, even a response. */
  type = -1;
  /** SocketProtocol: 1 UDP, 2 TCP, 3 DOT, 4 DOH, 5 DNSCryptUDP, 6 DNSCryptTCP, 7 DOQ. */
  protocol = -1;
  queryAddressAt = 0;
  queryAddressBytes = -1;
  responseAddressAt = 0;
  responseAddressBytes = -1;
  queryPort = -1;
  responsePort = -1;
  querySeconds = -1;
  queryNanos = 0;
  responseSeconds = -1;
  responseNanos = 0;
  queryAt = 0;
  queryBytes = -1;
  responseAt = 0;
  responseBytes = -1;

  clear(): void {
    this.type = -1;
    this.protocol = -1;
    this.queryAddressBytes = -1;
    this.responseAddressBytes = -1;
    this.queryPort = -1;
    this.responsePort = -1;
    this.querySeconds = -1;
    this.queryNanos = 0;
    this.responseSeconds = -1;
    this.responseNanos = 0;
    this.queryBytes = -1;
    this.responseBytes = -1;
  }
}

export type MessageFault = '' | 'DNSTAP_PROTOBUF' | 'DNSTAP_TYPE' | 'DNSTAP_NO_MESSAGE' | 'DNSTAP_MESSAGE_LENGTH';

const outer = new FieldReader();
const inner = new FieldReader();

/** Reads the frame [start, start + length). @returns '' or the fault that makes it unusable */
export function readMessage(bytes: Uint8Array, start: number, length: number, out: DnstapMessage): MessageFault {
  out.clear();
  let type = TYPE_MESSAGE;
  outer.reset(bytes, start, start + length);
  while (outer.next()) {
    if (outer.number === Outer.Type && outer.wire === Wire.Varint) type = outer.value;
    else if (outer.number === Outer.Message && outer.wire === Wire.Bytes) {
      inner.reset(bytes, outer.start, outer.start + outer.value);
      while (inner.next()) take(inner, out);
      if (inner.isBroken) return 'DNSTAP_PROTOBUF';
    }
  }
  if (outer.isBroken) return 'DNSTAP_PROTOBUF';
  if (type !== TYPE_MESSAGE) return 'DNSTAP_TYPE';
  if (out.queryBytes <= 0 && out.responseBytes <= 0) return 'DNSTAP_NO_MESSAGE';
  if (out.queryBytes > MESSAGE_BYTES_MAX || out.responseBytes > MESSAGE_BYTES_MAX) return 'DNSTAP_MESSAGE_LENGTH';
  return '';
}

/** A known field of another wire type than dnstap.proto gives it is unknown, and passed over. */
function take(field: FieldReader, out: DnstapMessage): void {
  if (field.wire === Wire.Varint) takeNumber(field.number, field.value, out);
  else if (field.wire === Wire.Fixed32) {
    if (field.number === Inner.QueryNanos) out.queryNanos = field.value;
    else if (field.number === Inner.ResponseNanos) out.responseNanos = field.value;
  } else if (field.wire === Wire.Bytes) takeBytes(field.number, field.start, field.value, out);
}

function takeNumber(number: number, value: number, out: DnstapMessage): void {
  if (number === Inner.Type) out.type = value;
  else if (number === Inner.Protocol) out.protocol = value;
  else if (number === Inner.QueryPort) out.queryPort = value;
  else if (number === Inner.ResponsePort) out.responsePort = value;
  else if (number === Inner.QuerySeconds) out.querySeconds = value;
  else if (number === Inner.ResponseSeconds) out.responseSeconds = value;
}

function takeBytes(number: number, start: number, length: number, out: DnstapMessage): void {
  if (number === Inner.QueryMessage) {
    out.queryAt = start;
    out.queryBytes = length;
  } else if (number === Inner.ResponseMessage) {
    out.responseAt = start;
    out.responseBytes = length;
  } else if (number === Inner.QueryAddress) {
    out.queryAddressAt = start;
    out.queryAddressBytes = length;
  } else if (number === Inner.ResponseAddress) {
    out.responseAddressAt = start;
    out.responseAddressBytes = length;
  }
}
