// Client hellos for tests, written from the RFCs apart from the reader.

export interface HelloParts {
  version?: number;
  session?: number;
  ciphers?: readonly number[];
  /** [type, body], in order; none at all where it is undefined. */
  extensions?: readonly (readonly [number, readonly number[]])[] | undefined;
  cookie?: readonly number[];
}

export const u16 = (n: number): number[] => [n >> 8, n & 255];
export const u24 = (n: number): number[] => [n >> 16, (n >> 8) & 255, n & 255];
export const sized = (body: readonly number[]): number[] => [...u16(body.length), ...body];
export const text = (s: string): number[] => [...Buffer.from(s, 'latin1')];

/** RFC 6066 3. */
export const serverName = (name: string, type = 0): [number, number[]] => [0, sized([type, ...sized(text(name))])];
/** RFC 7301 3.1. */
export const alpn = (...names: string[]): [number, number[]] => [
  16,
  sized(names.flatMap((n) => [n.length, ...text(n)])),
];
/** RFC 8446 4.2.1, 4.2.3. */
export const versions = (...list: number[]): [number, number[]] => [43, [2 * list.length, ...list.flatMap(u16)]];
export const signatures = (...list: number[]): [number, number[]] => [13, sized(list.flatMap(u16))];

/** RFC 8446 4.1.2: the body of the handshake message. */
export function helloBody(h: HelloParts): number[] {
  const extensions = h.extensions?.flatMap(([type, body]) => [...u16(type), ...sized(body)]);
  return [
    ...u16(h.version ?? 0x0303),
    ...Array.from({ length: 32 }, (_, i) => i),
    h.session ?? 0,
    ...Array<number>(h.session ?? 0).fill(0xee),
    ...(h.cookie === undefined ? [] : [h.cookie.length, ...h.cookie]),
    ...sized((h.ciphers ?? [0x1301, 0x1302, 0x1303]).flatMap(u16)),
    1,
    0,
    ...(extensions === undefined ? [] : sized(extensions)),
  ];
}

export const message = (type: number, body: readonly number[]): number[] => [type, ...u24(body.length), ...body];
export const record = (body: readonly number[], type = 22): number[] => [type, 3, 1, ...sized(body)];

/** A hello in one record. */
export function hello(h: HelloParts = { extensions: [serverName('meter.example')] }): Uint8Array {
  return Uint8Array.from(record(message(1, helloBody(h))));
}

/** A hello cut into records of so many octets. */
export function helloInRecords(h: HelloParts, octets: number): Uint8Array {
  const whole = message(1, helloBody(h));
  const out: number[] = [];
  for (let at = 0; at < whole.length; at += octets) out.push(...record(whole.slice(at, at + octets)));
  return Uint8Array.from(out);
}

/** A server's first flight of TLS 1.2: hello and one certificate. */
export function serverFlight(certificate: readonly number[], octets = 1 << 14): Uint8Array {
  const serverHello = message(2, [3, 3, ...Array<number>(32).fill(9), 0, 0x13, 1, 0]);
  const list = [...u24(certificate.length), ...certificate];
  const whole = [...serverHello, ...message(11, [...u24(list.length), ...list])];
  const out: number[] = [];
  for (let at = 0; at < whole.length; at += octets) out.push(...record(whole.slice(at, at + octets)));
  return Uint8Array.from(out);
}
