// MQTT 3.1.1 and 5.0 (OASIS): control packet types, the topic of a PUBLISH or SUBSCRIBE, client id and user of a CONNECT.
import { OperationAct, OperationProtocol, OperationRole } from '#events';
import type { Framing } from './frames.ts';
import { type Rows, u16be } from './rows.ts';

const { Other, Read, Login, Write } = OperationAct;
const Type = { Connect: 1, Connack: 2, Publish: 3, Subscribe: 8, Unsubscribe: 10, Auth: 15 } as const;

/** Octets of the remaining length at `at` (2.2.3), its value in `value`; 0 where it is cut, -1 where it is no length. */
function remaining(b: Uint8Array, at: number, left: number): number {
  let scale = 1;
  lengthValue = 0;
  for (let n = 1; n <= 4; n++) {
    if (n > left) return 0;
    lengthValue += (b[at + n - 1]! & 127) * scale;
    if (b[at + n - 1]! < 128) return n;
    scale *= 128;
  }
  return -1;
}
let lengthValue = 0;

/** Reserved flags (2.1.3): PUBREL, SUBSCRIBE and UNSUBSCRIBE have 2, PUBLISH its own, the rest 0. */
function soundHead(head: number): boolean {
  const type = head >> 4;
  const flags = head & 15;
  if (type === Type.Publish) return (flags & 6) !== 6;
  if (type === 6 || type === Type.Subscribe || type === Type.Unsubscribe) return flags === 2;
  return type !== 0 && flags === 0;
}

export const mqttFraming: Framing = {
  headBytes: 512,
  measure(b, at, left) {
    if (!soundHead(b[at]!)) return -1;
    if (left < 2) return 0;
    const octets = remaining(b, at + 1, left - 1);
    if (octets <= 0) return octets;
    const type = b[at]! >> 4;
    // PINGREQ, PINGRESP are two octets; a PUBLISH has a topic, the acknowledgements a packet id.
    if (((type === 12 || type === 13) && lengthValue !== 0) || (type >= 3 && type <= 11 && lengthValue < 2)) return -1;
    return 1 + octets + lengthValue;
  },
};

export function readMqtt(b: Uint8Array, at: number, length: number, rows: Rows): void {
  const end = at + length;
  const type = b[at]! >> 4;
  const octets = remaining(b, at + 1, length - 1);
  if (octets <= 0) return;
  const from = at + 1 + octets;
  const toBroker = rows.fromClient;
  const { Request, Response, Unsolicited } = OperationRole;
  const act = type === Type.Publish ? Write : type === Type.Subscribe ? Read : type === Type.Connect ? Login : Other;
  const role = toBroker ? Request : type === Type.Publish ? Unsolicited : Response;
  const i = rows.add(OperationProtocol.Mqtt, act, role, type);
  if (type === Type.Publish) text(b, from, end, i, rows);
  else if (type === Type.Connack && from + 2 <= end) rows.batch.status[i] = b[from + 1]!;
  else if (type === Type.Connect) connect(b, from, end, i, rows);
  else if (type === Type.Subscribe) filter(b, from, end, i, rows);
}

function text(b: Uint8Array, at: number, end: number, row: number, rows: Rows): void {
  if (at + 2 <= end) rows.batch.setObject(row, b, at + 2, Math.min(u16be(b, at), end - at - 2));
}

/** Packet id, [properties of 5.0], then filters. Which of the two it is isn't known midstream: a filter's length tells. */
function filter(b: Uint8Array, at: number, end: number, row: number, rows: Rows): void {
  for (const skip of [2, 3]) {
    const from = at + skip;
    if (from + 2 > end || (skip === 3 && b[at + 2] !== 0)) continue;
    const bytes = u16be(b, from);
    if (bytes > 0 && from + 2 + bytes < end + 1) {
      text(b, from, end, row, rows);
      return;
    }
  }
}

/** Protocol name, level, flags, keep alive, [properties], client id, [will], [user]. */
function connect(b: Uint8Array, at: number, end: number, row: number, rows: Rows): void {
  if (at + 2 > end) return;
  let from = at + 2 + u16be(b, at);
  if (from + 4 > end) {
    rows.malformed(OperationProtocol.Mqtt, 'OT_SHORT');
    return;
  }
  const level = b[from]!;
  const flags = b[from + 1]!;
  from += 4;
  if (level >= 5) {
    const octets = remaining(b, from, end - from);
    if (octets <= 0) return;
    from += octets + lengthValue;
  }
  let client = from;
  let clientBytes = from + 2 <= end ? Math.min(u16be(b, from), end - from - 2) : 0;
  // A user, where one is shown and no will stands before it, says more than the client id.
  if ((flags & 0x80) !== 0 && (flags & 4) === 0) {
    const user = from + 2 + clientBytes;
    if (user + 2 <= end) {
      client = user;
      clientBytes = Math.min(u16be(b, user), end - user - 2);
    }
  }
  if (clientBytes > 0) rows.batch.setUser(row, b, client + 2, clientBytes);
}
