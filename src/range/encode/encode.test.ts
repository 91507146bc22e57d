import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '#lib/random';
import { base32Text } from '../worlds/names.ts';
import { DnsType, dnsAnswer, dnsQuery } from './dns.ts';
import { fold, ipv4, sum16, udpFrame } from './ethernet.ts';
import { plmnOctets, tbcd } from './map.ts';
import { unitdata } from './sccp.ts';
import { crc32c } from './sctp.ts';
import { ber } from './tcap.ts';
import { TcpConnection } from './tcp.ts';
import { applicationData, clientHello, seedCiphertext } from './tls.ts';

const random = seededRandom('encode');
seedCiphertext(random);
const octets = fc.uint8Array({ maxLength: 1200 });

describe('encoders', () => {
  test('CRC32c of the digits 1 to 9 is the published check value', () => {
    expect(crc32c(Buffer.from('123456789'), 0, 9)).toBe(0xe3069283);
  });
  test('checksums of any datagram sum to all ones', () => {
    fc.assert(
      fc.property(octets, (payload) => {
        const b = udpFrame(ipv4('10.1.0.53'), 53, ipv4('198.18.1.2'), 4000, payload);
        const bytes = 8 + payload.length;
        return fold(sum16(b, 14, 34)) === 0 && fold(sum16(b, 26, 34) + 17 + bytes + sum16(b, 34, 34 + bytes)) === 0;
      }),
    );
  });
  test('TLS records of any size add up to what was asked', () => {
    fc.assert(
      fc.property(fc.integer({ min: 30, max: 40_000 }), (size) => {
        const b = applicationData(random, size);
        let o = 0;
        while (o < b.length) {
          expect(b[o]).toBe(23);
          o += 5 + ((b[o + 3]! << 8) | b[o + 4]!);
        }
        return o === size;
      }),
      { numRuns: 300 },
    );
  });
  test('a hello carries its server name', () => {
    expect(Buffer.from(clientHello(random, 'headend.riverton.example')).includes('headend.riverton.example')).toBe(
      true,
    );
  });
  test('a connection counts every octet in its sequence numbers', () => {
    const frames: Uint8Array[] = [];
    const c = new TcpConnection(
      (_, frame) => frames.push(frame),
      ipv4('10.20.1.1'),
      50000,
      ipv4('10.1.0.10'),
      443,
      1000,
    );
    c.send(c.open(0), true, new Uint8Array(3000));
    c.close(1e6);
    const sequence = (b: Uint8Array): number => new DataView(b.buffer).getUint32(38);
    const fromClient = frames.filter((b) => b[29] === 1);
    expect((sequence(fromClient.at(-1)!) - sequence(fromClient[0]!)) >>> 0).toBe(3002);
  });
  test('digits go in nibbles, low first, with the filler of their layer', () => {
    expect(tbcd('12345')).toEqual([0x21, 0x43, 0xf5]);
    expect(plmnOctets('00101')).toEqual([0x00, 0xf1, 0x10]);
    expect(plmnOctets('405037')).toEqual([0x04, 0x75, 0x30]);
    const u = unitdata({ digits: '999', ssn: 6 }, { digits: '33689', ssn: 7 }, Uint8Array.of(1, 2));
    // Each pointer counts from its own octet: to a length octet.
    expect(u[2 + u[2]!]).toBe(7);
    expect(u[3 + u[3]!]).toBe(8);
    expect(u[4 + u[4]!]).toBe(2);
  });
  test('BER lengths take the long form from 128 on', () => {
    expect(ber(4, Array<number>(127).fill(0)).slice(0, 2)).toEqual([4, 127]);
    expect(ber(4, Array<number>(200).fill(0)).slice(0, 3)).toEqual([4, 0x81, 200]);
  });
  test('DNS names, text and chains of CNAME stand as RFC 1035 has them', () => {
    const q = dnsQuery(7, 'a.example', DnsType.TXT);
    expect([...q.subarray(12, 23)]).toEqual([1, 97, 7, ...Buffer.from('example'), 0]);
    const long = 'x'.repeat(300);
    const a = dnsAnswer(7, 'a.example', DnsType.TXT, 0, [{ type: DnsType.TXT, ttl: 0, data: long }]);
    expect(a.length).toBe(12 + 11 + 4 + 12 + 302);
  });
  test('base32 has five bits a character', () => {
    expect(base32Text(Buffer.from('foobar'))).toBe('mzxw6ytboi');
  });
});
