import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Class,
  canonicalName,
  checkTsig,
  nameToWire,
  readMessage,
  readName,
  signTsig,
  TsigError,
  type TsigKey,
  Type,
  writeMessage,
} from './index.ts';

const key: TsigKey = { name: 'k.example', secret: Buffer.from('0123456789abcdef') };
const keyOf = (name: string): TsigKey | undefined => (name === key.name ? key : undefined);
const question = { name: 'parapet.rpz', type: Type.SOA, class: Class.IN };
const query = (): Buffer => writeMessage({ id: 7, flags: 0, question });

describe('names', () => {
  it('read back as they were written, octets escaped', () => {
    expect(canonicalName('A.Evil.EXAMPLE.')).toBe('a.evil.example');
    expect(canonicalName('a\\.b.example')).toBe('a\\046b.example');
    expect(canonicalName('a\\032b.example')).toBe('a\\032b.example');
    expect(canonicalName('')).toBe('.');
    expect(canonicalName('a..b')).toBeUndefined();
    expect(canonicalName(`${'a'.repeat(64)}.b`)).toBeUndefined();
    const label = fc.uint8Array({ minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(label, { maxLength: 10 }), (labels) => {
        const wire = Buffer.concat([...labels.map((l) => Buffer.concat([Buffer.of(l.length), l])), Buffer.of(0)]);
        const text = readName(wire, 0)!.name;
        expect(text).toMatch(/^[\w*\\.-]+$/);
        expect(nameToWire(text)).toEqual(wire);
      }),
    );
  });

  it('a name of 127 labels is read, one of 256 octets is none', () => {
    const long = Array.from({ length: 127 }, () => 'a').join('.');
    expect(nameToWire(long)).toHaveLength(255);
    expect(nameToWire(`${long}.a`)).toBeUndefined();
  });

  it('a pointer to itself, forwards or round about ends the name', () => {
    for (const bytes of [
      [0xc0, 0],
      [0xc0, 2, 0xc0, 0],
      [1, 0x61, 0xc0, 0],
      [0xff, 0xff],
      [0x40, 0],
    ])
      expect(readName(Buffer.from(bytes), 0)).toBeUndefined();
    // Backwards is well: `a` at 0, a pointer to it at 3, a pointer to the pointer at 5.
    expect(readName(Buffer.from([1, 0x61, 0, 0xc0, 0, 0xc0, 3]), 5)).toEqual({ name: 'a', end: 7 });
  });
});

describe('messages', () => {
  it('any octets give a message or none, and never an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        const message = readMessage(Buffer.from(bytes));
        expect(message === undefined).toBe(bytes.length < 12);
        if (message !== undefined) checkTsig(message, keyOf, 0);
      }),
      { numRuns: 2000 },
    );
  });

  it('a header that claims 65,535 records costs nothing', () => {
    const bytes = Buffer.alloc(12, 0xff);
    const message = readMessage(bytes)!;
    expect(message.broken).toBe(true);
    expect(message.questions).toEqual([]);
  });
});

describe('TSIG (RFC 8945)', () => {
  const check = (bytes: Buffer, at = 1000): ReturnType<typeof checkTsig> => checkTsig(readMessage(bytes)!, keyOf, at);

  it('a signature verifies within 300 s and not beyond', () => {
    const { bytes, mac } = signTsig(query(), key, 1000);
    expect(check(bytes)).toMatchObject({ kind: 'good', mac });
    expect(check(bytes, 1300).kind).toBe('good');
    expect(check(bytes, 1301)).toMatchObject({ kind: 'bad', error: TsigError.BadTime });
    expect(check(bytes, 699)).toMatchObject({ kind: 'bad', error: TsigError.BadTime });
  });

  it('one changed bit, anywhere, is never good', () => {
    const { bytes } = signTsig(query(), key, 1000);
    // The original id replaces the header's (RFC 8945, 5.3): relays may change that one.
    for (let bit = 16; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      const message = readMessage(changed)!;
      const result = checkTsig(message, keyOf, 1000);
      // Letters' case in names, and the TTL of the TSIG record, are no part of what is signed.
      if (result.kind === 'good') expect(differsOnlyInCaseOrTtl(bytes, changed)).toBe(true);
    }
  });

  it('an unknown key, another algorithm and a cut MAC have their own errors', () => {
    const other = { name: 'other.example', secret: key.secret };
    expect(check(signTsig(query(), other, 1000).bytes)).toMatchObject({ error: TsigError.BadKey });
    const wrong = { name: key.name, secret: Buffer.from('fedcba9876543210') };
    expect(check(signTsig(query(), wrong, 1000).bytes)).toMatchObject({ error: TsigError.BadSig });
    expect(check(query()).kind).toBe('none');
  });

  it('a TSIG that is not the last record is malformed', () => {
    const { bytes } = signTsig(query(), key, 1000);
    const opt = Buffer.from([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    const after = Buffer.concat([bytes, opt]);
    after.writeUInt16BE(2, 10);
    expect(check(after).kind).toBe('malformed');
  });
});

function differsOnlyInCaseOrTtl(a: Buffer, b: Buffer): boolean {
  const at = a.findIndex((octet, i) => octet !== b[i]);
  const isLetter = /[a-z]/i.test(String.fromCharCode(a[at]!)) && (a[at]! ^ b[at]!) === 0x20;
  const record = readMessage(a)!.additional.at(-1)!;
  return isLetter || (at >= record.dataAt - 6 && at < record.dataAt - 2);
}
