import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clientKeys, InitialReader, isInitial, versionOf } from './index.ts';
import { crypto, ID, type Initial, seal } from './testing.ts';

const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');

/** What CRYPTO frames of some datagrams of one connection brought. */
function read(...datagrams: Uint8Array[]): {
  pieces: [number, string][];
  restarts: number;
  tries: number;
  fit: boolean[];
} {
  const reader = new InitialReader();
  const pieces: [number, string][] = [];
  let restarts = 0;
  let keys: ReturnType<InitialReader['read']>;
  const fit: boolean[] = [];
  const sink = {
    restart: () => {
      restarts += 1;
    },
    crypto: (offset: number, b: Uint8Array, from: number, to: number) =>
      void pieces.push([offset, Buffer.from(b.subarray(from, to)).toString('latin1')]),
  };
  for (const d of datagrams) {
    // In the middle of other bytes, which must not be looked at.
    const around = new Uint8Array(d.length + 100).fill(0xc1);
    around.set(d, 50);
    const got = reader.read(around, 50, 50 + d.length, keys, sink);
    fit.push(got !== undefined);
    keys = got ?? keys;
  }
  return { pieces, restarts, tries: reader.tries, fit };
}
const letters = (s: string): number[] => [...Buffer.from(s)];

describe('the vectors of the RFCs', () => {
  it('keys of version 1 (RFC 9001 A.1) and 2 (RFC 9369 A.1)', () => {
    const v1 = clientKeys(versionOf(1)!, ID);
    expect([hex(v1.key), hex(v1.iv), hex(v1.hp)]).toEqual([
      '1f369613dd76d5467730efcbe3b1a22d',
      'fa044b2f42a3fd3b46fb255c',
      '9f50449e04a0e810283a1e9933adedd2',
    ]);
    const v2 = clientKeys(versionOf(0x6b3343cf)!, ID);
    expect([hex(v2.key), hex(v2.iv), hex(v2.hp)]).toEqual([
      '8b1a0bc121284290a29e0971b5cd045d',
      '91f73e2351d8fa91660e909f',
      '45b95e15235d6f45a6b19cbcb0294ba9',
    ]);
  });

  it('the client Initial of RFC 9001 A.2: our sealing gives its octets, our reading its hello', () => {
    const frame =
      '060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff';
    const packet = seal({ frames: [...Buffer.from(frame, 'hex')] });
    expect(hex(packet).startsWith('c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11')).toBe(true);
    expect(hex(packet).endsWith('4a9a7f9474241e221af44860018ab0856972e194cd934')).toBe(true);
    const { pieces } = read(packet);
    expect(pieces).toHaveLength(1);
    expect(Buffer.from(pieces[0]![1], 'latin1').toString('hex')).toBe(frame.slice(8));
  });
});

describe('Initials', () => {
  it.each([
    ['version 1', 1],
    ['version 2', 0x6b3343cf],
    ['draft 27', 0xff00001b],
    ['draft 29', 0xff00001d],
    ['draft 34', 0xff000022],
  ])('of %s, with numbers of any length and a token', (_what, version) => {
    for (const numberBytes of [1, 2, 3, 4]) {
      const packet = seal({
        version,
        numberBytes,
        number: 7,
        token: new Uint8Array(70),
        frames: crypto(0, letters('hi')),
      });
      expect(isInitial(packet, 0, packet.length)).toBe(true);
      expect(read(packet).pieces).toEqual([[0, 'hi']]);
    }
  });

  it('of versions that are not known, other packets and other protocols are passed by', () => {
    const sound = seal({ frames: crypto(0, letters('hi')) });
    for (const [at, value] of [
      [0, 0x40],
      [0, 0x80],
      [0, 0xe0],
      [4, 9],
      [5, 21],
    ] as const) {
      const packet = Uint8Array.from(sound);
      packet[at] = value;
      expect(isInitial(packet, 0, packet.length), `${at} ${value}`).toBe(false);
    }
    expect(isInitial(sound, 0, 20)).toBe(false);
  });

  it('hand on CRYPTO frames scattered between others', () => {
    const ack = [2, 5, 0, 1, 0, 2, 3];
    const ackEcn = [3, 5, 0, 0, 0, 1, 2, 3];
    const frames = [
      ...crypto(4, letters('efgh')),
      0,
      0,
      1,
      ...ack,
      ...crypto(0, letters('abcd')),
      ...ackEcn,
      0,
      ...crypto(8, letters('i')),
    ];
    expect(read(seal({ frames })).pieces).toEqual([
      [4, 'efgh'],
      [0, 'abcd'],
      [8, 'i'],
    ]);
  });

  it('in one datagram are all read, with what is coalesced between them stepped over', () => {
    const one = seal({ frames: crypto(0, letters('a')), size: 100 });
    const two = seal({ frames: crypto(1, letters('b')), number: 3, size: 100 });
    const zeroRtt = Uint8Array.from([0xd0, 0, 0, 0, 1, 8, ...ID, 0, 0x40, 30, ...Array<number>(30).fill(9)]);
    const short = Uint8Array.from([0x40, 1, 2, 3]);
    expect(read(Buffer.concat([one, zeroRtt, two, short])).pieces).toEqual([
      [0, 'a'],
      [1, 'b'],
    ]);
  });

  it('with another id later keep the first keys; after a Retry have new ones and begin anew', () => {
    const serverId = Uint8Array.of(1, 2, 3, 4);
    const first = seal({ frames: crypto(0, letters('a')) });
    const later = seal({ frames: crypto(1, letters('b')), id: serverId, keyId: ID });
    expect(read(first, later)).toMatchObject({ restarts: 0, fit: [true, true], tries: 2 });
    const retried = seal({ frames: crypto(0, letters('z')), id: serverId, token: new Uint8Array(9) });
    const got = read(first, retried);
    expect(got).toMatchObject({ restarts: 1, fit: [true, true] });
    expect(got.pieces.at(-1)).toEqual([0, 'z']);
  });

  it('are read without a change to the packet, which is borrowed', () => {
    const packet = Buffer.from(seal({ frames: crypto(0, letters('hi')) }));
    const before = hex(packet);
    const sink = { restart: () => {}, crypto: () => {} };
    const keys = new InitialReader().read(packet, 0, packet.length, clientKeys(versionOf(1)!, ID.slice(1)), sink);
    expect(hex(packet)).toBe(before);
    packet.fill(0);
    expect(hex(keys!.connectionId)).toBe(hex(ID));
  });

  it('that were changed on the way, or come from the server, give nothing', () => {
    const sound = seal({ frames: crypto(0, letters('hi')) });
    for (const at of [18, 30, sound.length - 1]) {
      const packet = Uint8Array.from(sound);
      packet[at]! ^= 1;
      expect(read(packet)).toMatchObject({ pieces: [], fit: [false], tries: 1 });
    }
    expect(read(seal({ frames: crypto(0, letters('hi')), keyId: Uint8Array.of(9) })).fit).toEqual([false]);
  });
});

describe('any bytes', () => {
  it('10^4 mutations: no throw, pieces lie in the packet, attempts are bounded', () => {
    const seeds = (
      [
        { frames: [...crypto(0, letters('hello')), 2, 5, 0, 0, 0], size: 90 },
        { version: 0x6b3343cf, frames: crypto(3, letters('x')), size: 80, token: new Uint8Array(3) },
      ] as Initial[]
    ).map((p) => {
      const one = seal(p);
      return Buffer.concat([one, one]);
    });
    let opened = 0;
    for (const [k, sound] of seeds.entries())
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { maxLength: 3 }),
          fc.nat(sound.length),
          (changes, length) => {
            const bytes = Uint8Array.from(sound);
            for (const [at, value] of changes) bytes[at] = value;
            const got = read(bytes.subarray(0, length));
            expect(got.tries).toBeLessThanOrEqual(9);
            opened += got.pieces.length;
          },
        ),
        { numRuns: 5000, seed: k },
      );
    expect(opened).toBeGreaterThan(100);
  });

  it('frames of any bytes, sealed soundly, do not throw', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(255), { maxLength: 60 }), (frames) => {
        for (const [, piece] of read(seal({ frames, size: 60 })).pieces) expect(piece.length).toBeLessThan(60);
      }),
      { numRuns: 1000, seed: 5 },
    );
  });
});
