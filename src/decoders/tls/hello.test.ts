import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClientHello, Found, Handshake, isGrease, readClientHello } from './index.ts';
import {
  alpn,
  type HelloParts,
  hello,
  helloBody,
  helloInRecords,
  message,
  record,
  serverFlight,
  serverName,
  signatures,
  sized,
  u16,
  versions,
} from './testing.ts';

const named = (...before: (readonly [number, readonly number[]])[]): HelloParts => ({
  extensions: [...before, serverName('a.meter.example')],
});

/** Read out of the middle of other bytes, which must not be looked at. */
function read(bytes: Uint8Array, length = bytes.length): { found: number; name: string; need: number; whole: boolean } {
  const around = new Uint8Array(bytes.length + 600);
  around.set(bytes, 7);
  // What follows the captured bytes looks like a name extension: reading on would find it.
  const [type, body] = serverName('decoy.example');
  around.set([...u16(type), ...sized(body)], 7 + length);
  const h = new Handshake();
  const found = h.read(around, 7, 7 + length);
  const { nameOffset, nameBytes } = h.hello;
  const name =
    found === Found.Nothing ? '' : Buffer.from(h.bytes.subarray(nameOffset, nameOffset + nameBytes)).toString('latin1');
  expect(name).not.toContain('decoy');
  return { found, name, need: h.need, whole: h.hello.isWhole };
}

describe('a client hello', () => {
  it('gives its name whatever stands before it, in old and new versions', () => {
    for (const session of [0, 32])
      for (const version of [0x0301, 0x0302, 0x0303, 0x0304])
        for (const ciphers of [[1], Array<number>(200).fill(0x1301)])
          for (const before of [[], [[0x0a0a, []]], [alpn('h2'), versions(0x0304)]] as [number, number[]][][])
            expect(read(hello({ session, version, ciphers, ...named(...before) }))).toMatchObject({
              found: Found.Hello,
              name: 'a.meter.example',
            });
  });

  it('has no name without extensions, without the extension, and for other kinds of name', () => {
    expect(read(hello({}))).toMatchObject({ found: Found.Hello, name: '' });
    expect(read(hello({ extensions: [] }))).toMatchObject({ found: Found.Hello, name: '' });
    expect(read(hello({ extensions: [alpn('h2')] }))).toMatchObject({ found: Found.Hello, name: '' });
    expect(read(hello({ extensions: [serverName('x.example', 1)] }))).toMatchObject({ found: Found.Hello, name: '' });
    expect(read(hello({ extensions: [serverName('')] }))).toMatchObject({ found: Found.Hello, name: '' });
    expect(read(hello({ extensions: [[0, []]] }))).toMatchObject({ found: Found.Hello, name: '' });
  });

  it('of a name of 255 octets has one, of 256 none', () => {
    expect(read(hello({ extensions: [serverName('a'.repeat(255))] })).name).toHaveLength(255);
    expect(read(hello({ extensions: [serverName('a'.repeat(256))] })).name).toBe('');
  });

  it('whose lengths pass its end is not whole, and its name none', () => {
    const [, body] = serverName('meter.example');
    body[4] = 200;
    expect(read(hello({ extensions: [[0, body]] })).name).toBe('');
    const bytes = hello();
    bytes[bytes.length - 20]! += 1;
    const long = hello({ extensions: [[10, [1, 2]]] });
    long[long.length - 3] = 9;
    expect(read(long)).toMatchObject({ found: Found.Other, whole: false });
  });

  it('that is cut tells what it needs; its name is whole or none', () => {
    const bytes = hello({ session: 32, extensions: [versions(0x0304), serverName('meter.example'), alpn('h2')] });
    const names = new Set<string>();
    for (let length = 1; length < bytes.length; length++) {
      const got = read(bytes, length);
      expect(got.found, `${length}`).toBe(Found.More);
      expect(got.need).toBeGreaterThan(length);
      expect(got.need).toBeLessThanOrEqual(bytes.length);
      names.add(got.name);
    }
    expect([...names]).toEqual(['', 'meter.example']);
    expect(read(bytes)).toMatchObject({ found: Found.Hello, name: 'meter.example' });
  });

  it('over many records is one', () => {
    const h: HelloParts = { session: 32, extensions: [alpn('h2'), serverName('meter.example')] };
    for (const octets of [1, 3, 7, 60]) {
      const bytes = helloInRecords(h, octets);
      expect(read(bytes), `${octets}`).toMatchObject({ found: Found.Hello, name: 'meter.example' });
      for (let length = 11; length < bytes.length; length += 5) {
        const got = read(bytes, length);
        expect(got.found).toBe(Found.More);
        expect(got.need).toBeGreaterThan(length);
        expect(got.need).toBeLessThanOrEqual(bytes.length);
      }
    }
  });

  it('that is no hello is nothing', () => {
    const sound = hello();
    for (const [at, value] of [
      [0, 23],
      [1, 2],
      [5, 3],
      [9, 2],
    ] as const) {
      const bytes = Uint8Array.from(sound);
      bytes[at] = value;
      expect(read(bytes).found, `byte ${at}`).toBe(Found.Nothing);
    }
  });

  it('that says it is longer than any is not waited for', () => {
    const bytes = hello();
    bytes[6] = 1;
    expect(read(bytes).found).toBe(Found.Other);
  });

  it('has the highest of its supported versions, GREASE aside; in DTLS the lowest number', () => {
    const h = new ClientHello();
    const of = (parts: HelloParts, datagram: boolean): number => {
      const body = Uint8Array.from(helloBody(parts));
      readClientHello(body, 0, body.length, body.length, datagram, h);
      return h.version;
    };
    expect(of({ extensions: [versions(0xfafa, 0x0303, 0x0304)] }, false)).toBe(0x0304);
    expect(of({ version: 0x0302, extensions: [] }, false)).toBe(0x0302);
    expect(of({ version: 0xfefd, cookie: [1, 2], extensions: [versions(0xfefd, 0xfefc)] }, true)).toBe(0xfefc);
    expect(h.isWhole).toBe(true);
  });

  it('GREASE is sixteen numbers and no more (nDPI#1416)', () => {
    const all = Array.from({ length: 65_536 }, (_, n) => n).filter(isGrease);
    expect(all).toHaveLength(16);
    expect(all[0]).toBe(0x0a0a);
    expect(all).not.toContain(0x0101);
  });
});

describe('the server’s first flight', () => {
  const certificate = Array.from({ length: 900 }, (_, i) => i & 255);
  const got = (bytes: Uint8Array, length = bytes.length): { found: number; need: number; certificate: number[] } => {
    const h = new Handshake();
    const found = h.read(bytes, 0, length);
    return { found, need: h.need, certificate: [...h.bytes.subarray(h.certificateFrom, h.certificateTo)] };
  };

  it('shows the certificate, in records of any size', () => {
    for (const octets of [1 << 14, 100, 7])
      expect(got(serverFlight(certificate, octets))).toMatchObject({ found: Found.Certificate, certificate });
  });

  it('that is cut asks for more, never for more than there is', () => {
    const bytes = serverFlight(certificate, 300);
    for (let length = 11; length < bytes.length; length += 13) {
      const g = got(bytes, length);
      expect(g.found).toBe(Found.More);
      expect(g.need).toBeGreaterThan(length);
      expect(g.need).toBeLessThanOrEqual(bytes.length);
    }
  });

  it('of TLS 1.3 shows none: what follows the hello is encrypted', () => {
    const serverHello = record(message(2, [3, 3, ...Array<number>(32).fill(9), 0, 0x13, 1, 0]));
    const bytes = Uint8Array.from([...serverHello, ...record([1], 20), ...record([1, 2, 3], 23)]);
    expect(got(bytes).found).toBe(Found.Other);
    // The record after it has only begun to arrive.
    expect(got(bytes, serverHello.length + 1).found).toBe(Found.Other);
  });

  it('with an empty list of certificates shows none', () => {
    const bytes = Uint8Array.from(record([...message(2, Array<number>(38).fill(3)), ...message(11, [0, 0, 0])]));
    expect(got(bytes).found).toBe(Found.Other);
  });
});

describe('any bytes', () => {
  it('no throw, and every range stays inside', () => {
    const seeds = [
      hello({
        session: 32,
        extensions: [signatures(0x0403), serverName('meter.example'), alpn('h2'), versions(0x0304)],
      }),
      helloInRecords(named(), 9),
      serverFlight(Array<number>(60).fill(7), 40),
    ];
    const h = new Handshake();
    const check = (bytes: Uint8Array, length: number): void => {
      const found = h.read(bytes, 0, length);
      if (found === Found.Nothing) return;
      const { nameOffset, nameBytes, alpnOffset, alpnBytes } = h.hello;
      if (nameBytes > 0) expect(nameOffset + nameBytes).toBeLessThanOrEqual(h.bytes.length);
      if (alpnBytes > 0) expect(alpnOffset + alpnBytes).toBeLessThanOrEqual(h.bytes.length);
      if (found === Found.Certificate) expect(h.certificateTo).toBeLessThanOrEqual(h.bytes.length);
      if (found === Found.More) expect(h.need).toBeGreaterThan(length);
    };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => check(bytes, bytes.length)),
      { numRuns: 2000, seed: 1 },
    );
    for (const [k, sound] of seeds.entries())
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { maxLength: 4 }),
          fc.nat(sound.length),
          (changes, length) => {
            const bytes = Uint8Array.from(sound);
            for (const [at, value] of changes) bytes[at] = value;
            check(bytes, length);
          },
        ),
        { numRuns: 4000, seed: 2 + k },
      );
  });
});
