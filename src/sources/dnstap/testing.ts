// dnstap streams written for tests, octet by octet, sharing nothing with the reader; and an ear for what comes of them.
import type { DnsMessageBatch, Sink } from '#events';
import { formatAddress } from '#events';

export function varint(value: number): Buffer {
  const out: number[] = [];
  let rest = BigInt(value);
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    out.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Buffer.from(out);
}

/** A field: a number is a varint, `{fixed}` 32 bits, octets are octets. */
export function field(number: number, value: number | { fixed: number } | Uint8Array): Buffer {
  if (typeof value === 'number') return Buffer.concat([varint(number * 8), varint(value)]);
  if ('fixed' in value) {
    const b = Buffer.alloc(4);
    b.writeUInt32LE(value.fixed);
    return Buffer.concat([varint(number * 8 + 5), b]);
  }
  return Buffer.concat([varint(number * 8 + 2), varint(value.length), value]);
}

export interface Told {
  type: number;
  protocol?: number;
  client?: Uint8Array;
  server?: Uint8Array;
  clientPort?: number;
  serverPort?: number;
  querySeconds?: number;
  queryNanos?: number;
  query?: Uint8Array;
  responseSeconds?: number;
  responseNanos?: number;
  response?: Uint8Array;
}

/** The Message of dnstap.proto. */
export function inner(t: Told): Buffer {
  const parts: Buffer[] = [field(1, t.type), field(2, t.client?.length === 16 ? 2 : 1), field(3, t.protocol ?? 1)];
  if (t.client !== undefined) parts.push(field(4, t.client));
  if (t.server !== undefined) parts.push(field(5, t.server));
  if (t.clientPort !== undefined) parts.push(field(6, t.clientPort));
  if (t.serverPort !== undefined) parts.push(field(7, t.serverPort));
  if (t.querySeconds !== undefined) parts.push(field(8, t.querySeconds));
  if (t.queryNanos !== undefined) parts.push(field(9, { fixed: t.queryNanos }));
  if (t.query !== undefined) parts.push(field(10, t.query));
  if (t.responseSeconds !== undefined) parts.push(field(12, t.responseSeconds));
  if (t.responseNanos !== undefined) parts.push(field(13, { fixed: t.responseNanos }));
  if (t.response !== undefined) parts.push(field(14, t.response));
  return Buffer.concat(parts);
}

export const message = (t: Told): Buffer =>
  Buffer.concat([field(1, Buffer.from('ns1')), field(2, Buffer.from('v1')), field(14, inner(t)), field(15, 1)]);

export function u32(...values: number[]): Buffer {
  const b = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) b.writeUInt32BE(value, 4 * i);
  return b;
}
export const data = (content: Uint8Array): Buffer => Buffer.concat([u32(content.length), content]);
export function control(type: number, contentType = '', more: Uint8Array = Buffer.alloc(0)): Buffer {
  const typed =
    contentType === '' ? Buffer.alloc(0) : Buffer.concat([u32(1, contentType.length), Buffer.from(contentType)]);
  return Buffer.concat([u32(0, 4 + typed.length + more.length, type), typed, more]);
}
export const DNSTAP = 'protobuf:dnstap.Dnstap';
export const start = control(2, DNSTAP);
export const stop = control(3);

/** Query `n` of a client: 12 octets of header, then a question whose name has the number in it. */
export function query(n: number, isResponse = false): Buffer {
  const label = Buffer.from(`q${n}`);
  const head = Buffer.from([n >> 8, n & 255, isResponse ? 0x81 : 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([head, Buffer.from([label.length]), label, Buffer.from([0, 0, 1, 0, 1])]);
}

export interface Row {
  at: number;
  place: number;
  client: string;
  clientPort: number;
  server: string;
  serverPort: number;
  transport: number;
  message: string;
}

export function hear(): { rows: Row[]; faults: string[]; sink: Sink } {
  const rows: Row[] = [];
  const faults: string[] = [];
  return {
    rows,
    faults,
    sink: {
      emit: (batch) => {
        if (batch.kind !== 'dns-message') throw new Error(batch.kind);
        for (let i = 0; i < batch.count; i++) rows.push(rowOf(batch, i));
        // Borrowed: nothing may be read of it later.
        batch.bytes = new Uint8Array(0);
      },
      fault: (code) => void faults.push(code),
    },
  };
}

function rowOf(batch: DnsMessageBatch, i: number): Row {
  const at = batch.offset[i]!;
  return {
    at: batch.at[i]!,
    place: batch.place[i]!,
    client: formatAddress(batch.addresses, 8 * i),
    clientPort: batch.clientPort[i]!,
    server: formatAddress(batch.addresses, 8 * i + 4),
    serverPort: batch.serverPort[i]!,
    transport: batch.transport[i]!,
    message: Buffer.from(batch.bytes.subarray(at, at + batch.length[i]!)).toString('hex'),
  };
}
