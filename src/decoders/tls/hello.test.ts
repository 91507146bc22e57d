import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clientHelloName, type NameRange } from './index.ts';

interface Hello {
  version?: number;
  session?: number;
  ciphers?: number;
  /** [type, body], in order. */
  extensions?: readonly (readonly [number, readonly number[]])[];
}

const u16 = (n: number): number[] => [n >> 8, n & 255];
const sized = (body: readonly number[]): number[] => [...u16(body.length), ...body];
const serverName = (name: string | number[], type = 0): [number, number[]] => [
  0,
  sized([type, ...sized(typeof name === 'string' ? [...Buffer.from(name)] : name)]),
];

/** RFC 8446 4.1.2 in a record of 5.1. */
function hello(h: Hello = {}): Uint8Array {
  const extensions = (h.extensions ?? [serverName('meter.example')]).flatMap(([type, body]) => [
    ...u16(type),
    ...sized(body),
  ]);
  const body = [
    ...u16(h.version ?? 0x0303),
    ...Array.from({ length: 32 }, (_, i) => i),
    h.session ?? 0,
    ...Array<number>(h.session ?? 0).fill(0xee),
    ...sized(Array<number>(2 * (h.ciphers ?? 3)).fill(0x13)),
    1,
    0,
    ...(h.extensions?.length === 0 ? [] : sized(extensions)),
  ];
  return Uint8Array.from([22, 3, 1, ...u16(body.length + 4), 1, 0, ...u16(body.length), ...body]);
}

/** Read out of the middle of other bytes, which must not be looked at. */
function read(bytes: Uint8Array, length = bytes.length): { isHello: boolean; name: string } {
  const around = new Uint8Array(bytes.length + 600).fill(0);
  around.set(bytes, 7);
  // What follows the captured bytes looks like a name extension: reading on would find it.
  const decoy = serverName('decoy.example');
  around.set([...u16(decoy[0]), ...sized(decoy[1])], 7 + length);
  const range: NameRange = { offset: -1, length: -1 };
  const isHello = clientHelloName(around, 7, length, range);
  expect(range.length).toBeGreaterThanOrEqual(0);
  if (range.length > 0) expect(range.offset + range.length).toBeLessThanOrEqual(7 + length);
  return { isHello, name: Buffer.from(around.subarray(range.offset, range.offset + range.length)).toString('latin1') };
}

describe('the name of a client hello', () => {
  it('is found whatever stands before it', () => {
    for (const session of [0, 32])
      for (const ciphers of [1, 200])
        for (const before of [
          [],
          [[0x0a0a, []]],
          [
            [16, sized([2, 104, 50])],
            [43, [2, 3, 4]],
          ],
        ] as [number, number[]][][])
          expect(read(hello({ session, ciphers, extensions: [...before, serverName('a.meter.example')] }))).toEqual({
            isHello: true,
            name: 'a.meter.example',
          });
  });

  it('is found in old and new versions', () => {
    for (const version of [0x0301, 0x0302, 0x0303, 0x0304])
      expect(read(hello({ version }))).toEqual({ isHello: true, name: 'meter.example' });
  });

  it('is empty without extensions, without the extension, and for other kinds of name', () => {
    expect(read(hello({ extensions: [] }))).toEqual({ isHello: true, name: '' });
    expect(read(hello({ extensions: [[16, [0, 0]]] }))).toEqual({ isHello: true, name: '' });
    expect(read(hello({ extensions: [serverName('x.example', 1)] }))).toEqual({ isHello: true, name: '' });
    expect(read(hello({ extensions: [serverName('')] }))).toEqual({ isHello: true, name: '' });
    expect(read(hello({ extensions: [[0, []]] }))).toEqual({ isHello: true, name: '' });
  });

  it('of 255 octets is one, of 256 is none', () => {
    expect(read(hello({ extensions: [serverName('a'.repeat(255))] })).name).toHaveLength(255);
    expect(read(hello({ extensions: [serverName('a'.repeat(256))] })).name).toBe('');
  });

  it('that says it is longer than its extensions is none', () => {
    const [, body] = serverName('meter.example');
    body[4] = 200;
    expect(read(hello({ extensions: [[0, body]] })).name).toBe('');
  });

  it('is whole or none wherever the hello is cut', () => {
    const bytes = hello({ session: 32, extensions: [[43, [2, 3, 4]], serverName('meter.example'), [16, [0, 0]]] });
    const seen = new Set<string>();
    for (let length = 0; length <= bytes.length; length++) {
      const { isHello, name } = read(bytes, length);
      expect(isHello).toBe(length >= 11);
      seen.add(name);
    }
    expect([...seen]).toEqual(['', 'meter.example']);
  });

  it('is not looked for in what is no hello', () => {
    const sound = hello();
    for (const [at, value] of [
      [0, 23],
      [1, 2],
      [5, 2],
      [9, 2],
    ] as const) {
      const bytes = Uint8Array.from(sound);
      bytes[at] = value;
      expect(read(bytes), `byte ${at}`).toEqual({ isHello: false, name: '' });
    }
  });

  it('any bytes, and any mutation of a hello: no throw, and the range stays inside', () => {
    const sound = hello({ session: 32, extensions: [[10, [0, 2, 0, 29]], serverName('meter.example')] });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void read(bytes)),
      { numRuns: 2000, seed: 1 },
    );
    const flips = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { maxLength: 4 });
    fc.assert(
      fc.property(flips, fc.nat(sound.length), (changes, length) => {
        const bytes = Uint8Array.from(sound);
        for (const [at, value] of changes) bytes[at] = value;
        read(bytes, length);
      }),
      { numRuns: 20_000, seed: 2 },
    );
  });
});
