// Rows of operations for tests, from captures by the whole road of decoders and from chunks made by hand.
import {
  type EventBatch,
  FrameBatch,
  formatAddress,
  OperationBatch,
  PacketBatch,
  type Sink,
  StreamBatch,
} from '#events';

export interface Seen {
  protocol: number;
  act: number;
  role: number;
  code: number;
  status: number;
  unit: number;
  object: string;
  user: string;
  number: number;
  count: number;
  client: string;
  server: string;
  clientPort: number;
  serverPort: number;
  place: number;
}

/** A sink that owns what it is lent and spoils the batch afterwards. */
export class Collector implements Sink {
  readonly rows: Seen[] = [];
  readonly faults: string[] = [];
  emit(b: EventBatch): void {
    if (!(b instanceof OperationBatch)) return;
    for (let i = 0; i < b.count; i++)
      this.rows.push({
        protocol: b.protocol[i]!,
        act: b.act[i]!,
        role: b.role[i]!,
        code: b.code[i]!,
        status: b.status[i]!,
        unit: b.unit[i]!,
        object: b.objectText(i),
        user: b.userText(i),
        number: b.objectNumber[i]!,
        count: b.objectCount[i]!,
        client: formatAddress(b.addresses, 8 * i),
        server: formatAddress(b.addresses, 8 * i + 4),
        clientPort: b.clientPort[i]!,
        serverPort: b.serverPort[i]!,
        place: b.place[i]!,
      });
    b.bytes.fill(0xa5);
    b.code.fill(-7);
    b.addresses.fill(0xa5a5a5a5);
  }
  fault(code: string): void {
    this.faults.push(code);
  }
}

const ends = [0, 0, 0xffff, 0x0a000001, 0, 0, 0xffff, 0x0a000002];

export function chunk(bytes: ArrayLike<number>, serverPort: number, more: Partial<StreamBatch> = {}): StreamBatch {
  const s = new StreamBatch();
  s.at = 1e15;
  s.place = 1;
  s.connection = 1;
  s.clientPort = 40_000;
  s.serverPort = serverPort;
  s.bytes = Uint8Array.from(bytes);
  s.length = bytes.length;
  s.addresses.set(ends);
  return Object.assign(s, more);
}

export function packet(bytes: ArrayLike<number>, protocol: number, from: number, to: number): PacketBatch {
  const b = new PacketBatch();
  b.count = 1;
  b.bytes = Uint8Array.from(bytes);
  b.at[0] = 1e15;
  b.place[0] = 1;
  b.protocol[0] = protocol;
  b.sourcePort[0] = from;
  b.destinationPort[0] = to;
  b.payloadCaptured[0] = bytes.length;
  b.payloadBytes[0] = bytes.length;
  b.addresses.set(ends);
  return b;
}

export function frame(bytes: ArrayLike<number>): FrameBatch {
  const f = new FrameBatch();
  f.count = 1;
  f.bytes = Uint8Array.from(bytes);
  f.at[0] = 1e15;
  f.place[0] = 1;
  f.length[0] = bytes.length;
  f.wireLength[0] = bytes.length;
  f.linkType[0] = 1;
  return f;
}

export const hex = (text: string): number[] => [...Buffer.from(text.replaceAll(/\s/g, ''), 'hex')];
