// TLS records (RFC 8446, RFC 6066) as an observer sees them: hello with server name, server flight, opaque data.
import type { Random } from '#lib/random';

let pool = new Uint8Array(0);
/** Ciphertext is drawn from one pool of random octets per run: cheap, incompressible enough, repeatable. */
export function seedCiphertext(random: Random): void {
  pool = new Uint8Array(1 << 17);
  random.fill(pool);
}

function record(type: number, bytes: number): Uint8Array {
  const b = new Uint8Array(5 + bytes);
  b[0] = type;
  b[1] = 3;
  b[2] = 3;
  b[3] = bytes >>> 8;
  b[4] = bytes;
  return b;
}

/** Application data of `bytes` octets in all, record headers included; records of at most 16 KiB. */
export function applicationData(random: Random, bytes: number): Uint8Array {
  const out = new Uint8Array(Math.max(bytes, 30));
  for (let o = 0; o < out.length; ) {
    let size = Math.min(out.length - o - 5, 16384);
    // The remainder must hold a record header and an authentication tag.
    if (out.length - o - 5 - size > 0 && out.length - o - 5 - size < 24) size -= 24;
    const head = record(23, 0);
    head[3] = size >>> 8;
    head[4] = size;
    out.set(head, o);
    for (let left = size, to = o + 5; left > 0; ) {
      const n = Math.min(left, 8192);
      const from = random.integer(0, pool.length - n);
      out.set(pool.subarray(from, from + n), to);
      to += n;
      left -= n;
    }
    o += 5 + size;
  }
  return out;
}

const u16 = (v: number): number[] => [(v >>> 8) & 255, v & 255];
const vector16 = (body: number[]): number[] => [...u16(body.length), ...body];
const extension = (id: number, body: number[]): number[] => [...u16(id), ...vector16(body)];
const suites = [0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030];

export function clientHello(random: Random, serverName: string): Uint8Array {
  const name = [...Buffer.from(serverName, 'latin1')];
  const key = new Uint8Array(96);
  random.fill(key);
  const extensions = [
    ...(name.length > 0 ? extension(0, vector16([0, ...vector16(name)])) : []),
    ...extension(10, vector16([0, 29, 0, 23])),
    ...extension(13, vector16([4, 3, 8, 4, 4, 1])),
    ...extension(16, vector16([2, 104, 50, 8, ...Buffer.from('http/1.1')])),
    ...extension(43, [2, 3, 4]),
    ...extension(51, vector16([0, 29, 0, 32, ...key.subarray(64, 96)])),
  ];
  const body = [3, 3, ...key.subarray(0, 32), 32, ...key.subarray(32, 64)];
  body.push(...vector16(suites.flatMap(u16)), 1, 0, ...vector16(extensions));
  const message = [1, 0, ...u16(body.length), ...body];
  const out = record(22, message.length);
  out.set(message, 5);
  return out;
}

/** ServerHello, ChangeCipherSpec and the encrypted flight of `bytes` octets. */
export function serverFlight(random: Random, bytes: number): Uint8Array {
  const key = new Uint8Array(96);
  random.fill(key);
  const extensions = [...extension(43, [3, 4]), ...extension(51, [0, 29, 0, 32, ...key.subarray(64, 96)])];
  const body = [3, 3, ...key.subarray(0, 32), 32, ...key.subarray(32, 64), 0x13, 1, 0, ...vector16(extensions)];
  const message = [2, 0, ...u16(body.length), ...body];
  const hello = record(22, message.length);
  hello.set(message, 5);
  const change = Uint8Array.from([20, 3, 3, 0, 1, 1]);
  return Buffer.concat([hello, change, applicationData(random, bytes)]);
}
