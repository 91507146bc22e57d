// Packets to bytes: the only way anything leaves the gateway. The caller has checked lengths by having decoded them or
// by making them; a string or field too long for its two-octet length is our own mistake and throws.
import type { Packet, Properties, Version, Will } from './packets.ts';
import { wireOf } from './properties.ts';

class Writer {
  bytes = Buffer.allocUnsafe(256);
  at = 0;

  room(n: number): void {
    if (this.at + n <= this.bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.at + n));
    this.bytes.copy(grown, 0, 0, this.at);
    this.bytes = grown;
  }
  u8(value: number): void {
    this.room(1);
    this.bytes[this.at++] = value;
  }
  u16(value: number): void {
    this.room(2);
    this.at = this.bytes.writeUInt16BE(value, this.at);
  }
  u32(value: number): void {
    this.room(4);
    this.at = this.bytes.writeUInt32BE(value, this.at);
  }
  varint(value: number): void {
    let rest = value;
    do {
      const octet = rest % 128;
      rest = Math.floor(rest / 128);
      this.u8(rest > 0 ? octet | 0x80 : octet);
    } while (rest > 0);
  }
  raw(value: Uint8Array): void {
    this.room(value.length);
    this.bytes.set(value, this.at);
    this.at += value.length;
  }
  binary(value: Uint8Array): void {
    this.u16(value.length);
    this.raw(value);
  }
  string(value: string): void {
    const length = Buffer.byteLength(value);
    this.u16(length);
    this.room(length);
    this.at += this.bytes.write(value, this.at, 'utf8');
  }
  properties(list: Properties): void {
    if (list.length === 0) {
      this.u8(0);
      return;
    }
    const inner = new Writer();
    for (const { id, value } of list) {
      inner.varint(id);
      switch (wireOf(id)) {
        case 'bool':
        case 'u8':
          inner.u8(value as number);
          break;
        case 'u16':
          inner.u16(value as number);
          break;
        case 'u32':
          inner.u32(value as number);
          break;
        case 'varint':
          inner.varint(value as number);
          break;
        case 'string':
          inner.string(value as string);
          break;
        case 'binary':
          inner.binary(value as Uint8Array);
          break;
        case 'pair':
          inner.string((value as readonly [string, string])[0]);
          inner.string((value as readonly [string, string])[1]);
          break;
        default:
          throw new RangeError(`no property 0x${id.toString(16)}`);
      }
    }
    this.varint(inner.at);
    this.raw(inner.bytes.subarray(0, inner.at));
  }
}

const types = {
  connect: 0x10,
  connack: 0x20,
  publish: 0x30,
  puback: 0x40,
  pubrec: 0x50,
  pubrel: 0x62,
  pubcomp: 0x70,
  subscribe: 0x82,
  suback: 0x90,
  unsubscribe: 0xa2,
  unsuback: 0xb0,
  pingreq: 0xc0,
  pingresp: 0xd0,
  disconnect: 0xe0,
  auth: 0xf0,
} as const;

/** @returns a buffer of its own; the receiver may keep it. */
export function encode(packet: Packet, version: Version): Buffer {
  const body = new Writer();
  const five = version === 5;
  let first: number = types[packet.type];
  switch (packet.type) {
    case 'connect': {
      const w: Will | undefined = packet.will;
      body.string('MQTT');
      body.u8(version);
      body.u8(
        (packet.cleanStart ? 2 : 0) |
          (w === undefined ? 0 : 4 | (w.qos << 3) | (w.retain ? 0x20 : 0)) |
          (packet.password === undefined ? 0 : 0x40) |
          (packet.username === undefined ? 0 : 0x80),
      );
      body.u16(packet.keepAlive);
      if (five) body.properties(packet.properties);
      body.string(packet.clientId);
      if (w !== undefined) {
        if (five) body.properties(w.properties);
        body.string(w.topic);
        body.binary(w.payload);
      }
      if (packet.username !== undefined) body.string(packet.username);
      if (packet.password !== undefined) body.binary(packet.password);
      break;
    }
    case 'connack':
      body.u8(packet.sessionPresent ? 1 : 0);
      body.u8(packet.reason);
      if (five) body.properties(packet.properties);
      break;
    case 'publish':
      first |= (packet.dup ? 8 : 0) | (packet.qos << 1) | (packet.retain ? 1 : 0);
      body.string(packet.topic);
      if (packet.qos > 0) body.u16(packet.id);
      if (five) body.properties(packet.properties);
      body.raw(packet.payload);
      break;
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      body.u16(packet.id);
      if (five && (packet.reason !== 0 || packet.properties.length > 0)) {
        body.u8(packet.reason);
        if (packet.properties.length > 0) body.properties(packet.properties);
      }
      break;
    case 'subscribe':
      body.u16(packet.id);
      if (five) body.properties(packet.properties);
      for (const f of packet.filters) {
        body.string(f.filter);
        body.u8(five ? f.qos | (f.noLocal ? 4 : 0) | (f.retainAsPublished ? 8 : 0) | (f.retainHandling << 4) : f.qos);
      }
      break;
    case 'unsubscribe':
      body.u16(packet.id);
      if (five) body.properties(packet.properties);
      for (const f of packet.filters) body.string(f);
      break;
    case 'suback':
      body.u16(packet.id);
      if (five) body.properties(packet.properties);
      // 3.1.1 knows one failure (section 3.9.3).
      for (const r of packet.reasons) body.u8(five || r < 0x80 ? r : 0x80);
      break;
    case 'unsuback':
      body.u16(packet.id);
      if (five) {
        body.properties(packet.properties);
        for (const r of packet.reasons) body.u8(r);
      }
      break;
    case 'disconnect':
    case 'auth':
      if (five && (packet.reason !== 0 || packet.properties.length > 0)) {
        body.u8(packet.reason);
        if (packet.properties.length > 0) body.properties(packet.properties);
      }
      break;
    default:
      break;
  }
  const head = new Uint8Array(5);
  head[0] = first;
  let length = body.at;
  let at = 1;
  do {
    head[at++] = length > 127 ? (length % 128) | 0x80 : length;
    length = Math.floor(length / 128);
  } while (length > 0);
  const out = Buffer.allocUnsafe(at + body.at);
  out.set(head.subarray(0, at), 0);
  body.bytes.copy(out, at, 0, body.at);
  return out;
}
