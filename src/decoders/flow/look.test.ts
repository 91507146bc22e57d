// What the first payloads of a flow tell: names, fingerprints, proxies' targets, certificates, over segments and datagrams
// in any order; and that all of it stays bounded.
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crypto, ID, seal } from '../quic/testing.ts';
import {
  alpn,
  hello,
  helloBody,
  helloInRecords,
  message,
  serverFlight,
  serverName,
  signatures,
  versions,
} from '../tls/testing.ts';
import { NAME_POOL_BYTES_MAX, NAMES_MAX, NamePool } from './names.ts';
import { PREFIX_BYTES_MAX, PREFIXES_MAX, Prefixes } from './prefix.ts';
import { Assembler, back, type Flow, type Packet, packetBatch } from './testing.ts';

const to: Packet = { fromPort: 40_000, toPort: 8443 };
const shake: Packet[] = [
  { ...to, flags: 'S', sequence: 1000 },
  back(to, { flags: 'SA', sequence: 5000 }),
  { ...to, flags: 'A', sequence: 1001 },
];
const parts = {
  extensions: [alpn('h2', 'http/1.1'), serverName('meter.example'), signatures(0x0403), versions(0x0304)],
};
const whole = hello(parts);
const JA4 = /^t13d0304h2_[0-9a-f]{12}_[0-9a-f]{12}$/;

const closed = (...packets: Packet[]): Flow => new Assembler().take(...packets).closed()[0]!;
const data = (payload: Uint8Array, sequence = 1001, more: Packet = {}): Packet => ({
  ...to,
  flags: 'PA',
  sequence,
  payload,
  ...more,
});
const said = (...texts: (string | readonly number[])[]): Packet[] => {
  let sequence = 1001;
  return texts.map((t) => {
    const payload = typeof t === 'string' ? Buffer.from(t, 'latin1') : Uint8Array.from(t);
    sequence += payload.length;
    return data(payload, sequence - payload.length);
  });
};
/** Pieces of a payload as segments, in order. */
const cut = (bytes: Uint8Array, size: number): Packet[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, k) =>
    data(bytes.slice(size * k, size * (k + 1)), 1001 + size * k),
  );

describe('a TLS client hello', () => {
  it('gives name, fingerprint, protocol and service', () => {
    const f = closed(...shake, data(whole));
    expect(f).toMatchObject({ name: 'meter.example', alpn: 'h2', service: 1, targetPort: 0 });
    expect(f.ja4).toMatch(JA4);
  });

  it('over several segments is one, in any order, with any of them twice, over the wrap', () => {
    const want = closed(...shake, data(whole)).ja4;
    const pieces = cut(whole, 40);
    const orders = [
      pieces,
      pieces.toReversed(),
      [...pieces.slice(1), pieces[0]!],
      [pieces[0]!, pieces[0]!, ...pieces.slice(1).toReversed(), pieces[1]!],
    ];
    for (const order of orders)
      expect(closed(...shake, ...order)).toMatchObject({ ja4: want, name: 'meter.example', alpn: 'h2' });
    const base = 0xffffffff - 50;
    const wrapped = pieces.map((p) => ({ ...p, sequence: (p.sequence! - 1001 + base + 1) >>> 0 }));
    expect(closed({ ...to, flags: 'S', sequence: base }, ...wrapped.toReversed()).ja4).toBe(want);
  });

  it('in segments and records of one octet is still one', () => {
    const want = closed(...shake, data(whole)).ja4;
    expect(closed(...shake, ...cut(helloInRecords(parts, 1), 1))).toMatchObject({ ja4: want, name: 'meter.example' });
  });

  it('whose rest never comes gives the name that came, and no fingerprint', () => {
    const f = closed(...shake, data(whole.slice(0, whole.length - 3)));
    expect(f).toMatchObject({ name: 'meter.example', ja4: '', service: 1 });
    expect(closed(...shake, data(whole, 1001, { captured: 60 }))).toMatchObject({ name: '', ja4: '' });
  });

  it('at the first bytes that are seen, without a hand-shake, in either direction', () => {
    expect(closed(data(whole)).ja4).toMatch(JA4);
    // The higher port is taken for the client; a hello from the other side is still one where nobody saw who began.
    expect(closed({ ...data(whole), fromPort: 8443, toPort: 40_000 })).toMatchObject({ name: 'meter.example' });
  });

  it('is not believed from a server that answered a hand-shake', () => {
    const f = closed(...shake, back(to, { flags: 'PA', sequence: 5001, payload: whole }));
    expect(f).toMatchObject({ name: '', ja4: '' });
  });

  it('is found behind a plain greeting (STARTTLS)', () => {
    const f = closed(...shake, ...said('EHLO a.example\r\n', 'STARTTLS\r\n', [...whole]));
    expect(f).toMatchObject({ name: 'meter.example', service: 1 });
  });

  it('counts the first only, and only among the first packets', () => {
    const other = hello({ extensions: [serverName('other.example')] });
    expect(closed(...shake, ...said([...whole], [...other])).name).toBe('meter.example');
    expect(closed(...shake, ...said(...Array<string>(8).fill('....'), [...whole])).name).toBe('');
  });
});

describe('a server’s certificate', () => {
  const certificate = Array.from({ length: 3000 }, (_, i) => (i * 7) & 255);
  const hash = createHash('sha256').update(Uint8Array.from(certificate)).digest('hex');
  const flight = serverFlight(certificate, 1000);
  const answers = (size: number): Packet[] =>
    cut(flight, size).map((p) => back(to, { flags: 'PA', sequence: p.sequence! + 4000, payload: p.payload! }));

  it('is told by its hash, over segments in any order', () => {
    for (const order of [answers(1460), answers(1460).toReversed()])
      expect(closed(...shake, data(whole), ...order)).toMatchObject({ certificate: hash, name: 'meter.example' });
  });

  it('is told where only the server is seen', () => {
    const f = closed(...answers(1460).map((p) => ({ ...p, fromPort: 443 })));
    expect(f).toMatchObject({ certificate: hash, packets: [0, 3] });
  });

  it('that is cut has none', () => {
    expect(closed(...shake, data(whole), ...answers(1460).slice(0, 2)).certificate).toBe('');
  });
});

describe('proxies', () => {
  it('HTTP CONNECT: host and port, and the hello inside the tunnel', () => {
    const f = closed(...shake, ...said('CONNECT shop.example:8443 HTTP/1.1\r\n\r\n', [...whole]));
    expect(f).toMatchObject({ name: 'shop.example', targetPort: 8443 });
    expect(f.ja4).toMatch(JA4);
  });

  it('CONNECT to an address: the server name inside says more', () => {
    for (const target of ['192.0.2.7', '[2001:db8::7]']) {
      const f = closed(...shake, ...said(`CONNECT ${target}:443 HTTP/1.1\r\n\r\n`, [...whole]));
      expect(f, target).toMatchObject({ name: 'meter.example', targetPort: 443 });
    }
    expect(closed(...shake, ...said('CONNECT [2001:db8::7]:443 HTTP/1.1\r\n\r\n')).name).toBe('2001:db8::7');
  });

  it('HTTP absolute form is a request to a proxy', () => {
    const f = closed(...shake, ...said('GET http://shop.example/a?b HTTP/1.1\r\nHost: other.example\r\n\r\n'));
    expect(f).toMatchObject({ name: 'shop.example', targetPort: 80 });
    expect(closed(...shake, ...said('GET http://shop.example:81/ HTTP/1.1\r\n\r\n')).targetPort).toBe(81);
  });

  it('a second CONNECT, with a password now, is read too', () => {
    const ask = 'CONNECT shop.example:443 HTTP/1.1\r\n';
    const f = closed(...shake, ...said(`${ask}\r\n`, `${ask}Proxy-Authorization: Basic x\r\n\r\n`, [...whole]));
    expect(f).toMatchObject({ name: 'shop.example', targetPort: 443, alpn: 'h2' });
  });

  const address = [192, 0, 2, 7];
  const name = [...Buffer.from('shop.example')];
  const v6 = [0x20, 1, 0x0d, 0xb8, ...Array<number>(11).fill(0), 7];
  it.each([
    ['SOCKS 4', [[4, 1, 1, 187, ...address, 97, 0]], '192.0.2.7', 443],
    ['SOCKS 4a', [[4, 1, 0, 80, 0, 0, 0, 1, 0, ...name, 0]], 'shop.example', 80],
    [
      'SOCKS 5 by name',
      [
        [5, 1, 0],
        [5, 1, 0, 3, 12, ...name, 1, 187],
      ],
      'shop.example',
      443,
    ],
    [
      'SOCKS 5 by address',
      [
        [5, 2, 0, 2],
        [5, 1, 0, 1, ...address, 0, 22],
      ],
      '192.0.2.7',
      22,
    ],
    [
      'SOCKS 5 by IPv6 address',
      [
        [5, 1, 0],
        [5, 1, 0, 4, ...v6, 0, 22],
      ],
      '2001:db8::7',
      22,
    ],
    [
      'SOCKS 5 with a password',
      [
        [5, 1, 2],
        [1, 1, 97, 1, 98],
        [5, 1, 0, 3, 12, ...name, 0, 25],
      ],
      'shop.example',
      25,
    ],
    ['SOCKS 5 at once', [[5, 1, 0, 5, 1, 0, 3, 12, ...name, 0, 25]], 'shop.example', 25],
  ] as const)('%s: the target', (_what, messages, target, port) => {
    expect(closed(...shake, ...said(...messages))).toMatchObject({ name: target, targetPort: port, service: 15 });
    const f = closed(...shake, ...said(...messages, [...whole]));
    expect(f).toMatchObject({
      targetPort: port,
      name: target === 'shop.example' ? target : 'meter.example',
      alpn: 'h2',
    });
  });

  it('what only resembles SOCKS is none', () => {
    for (const bytes of [
      [4, 1, 1, 187, ...address, 97, 0, 9],
      [4, 3, 1, 187, ...address, 97, 0],
      [4, 1, 1, 187, ...address, 7, 0],
      [5, 1, 0, 1, ...address, 0, 22],
      [5, 0],
      [5, 0, 11, 3, 16, 0, 0, 0],
    ])
      expect(closed(...shake, ...said(bytes))).toMatchObject({ name: '', targetPort: 0 });
  });
});

describe('an HTTP host', () => {
  it('is found in a head over several segments, in any order', () => {
    const text = Buffer.from('POST /a HTTP/1.1\r\nAccept: x\r\nHost: shop.example:8080\r\nLength: 3\r\n\r\n');
    for (const size of [1, 7, 20])
      for (const order of [cut(text, size), cut(text, size).toReversed()])
        expect(closed(...shake, ...order), `${size}`).toMatchObject({
          name: 'shop.example',
          targetPort: 0,
          service: 2,
        });
  });

  it('in the body is none', () => {
    expect(closed(...shake, ...said('POST /a HTTP/1.0\r\n\r\nHost: evil.example\r\n')).name).toBe('');
    expect(closed(...shake, ...said('POST /a HTTP/1.0\n\nHost: evil.example\n')).name).toBe('');
  });
});

describe('QUIC', () => {
  const q: Packet = { protocol: 17, fromPort: 40_000, toPort: 443 };
  const stream = message(1, helloBody({ extensions: [alpn('h3'), serverName('meter.example'), versions(0x0304)] }));
  const datagram = (payload: Uint8Array): Packet => ({ ...q, payload });
  const QJA4 = /^q13d0303h3_[0-9a-f]{12}_[0-9a-f]{12}$/;

  it('name, fingerprint and protocol of one Initial', () => {
    const f = closed(datagram(seal({ frames: crypto(0, stream) })));
    expect(f).toMatchObject({ service: 14, name: 'meter.example', alpn: 'h3' });
    expect(f.ja4).toMatch(QJA4);
  });

  it('of a hello scattered over frames and datagrams in any order, under other ids', () => {
    const piece = (from: number, until: number): number[] => crypto(from, stream.slice(from, until));
    const a = seal({ frames: [...piece(40, 60), ...piece(0, 10), 1, ...piece(25, 40)], number: 0 });
    const b = seal({
      frames: [...piece(60, stream.length), ...piece(8, 30)],
      number: 1,
      id: Uint8Array.of(7, 7),
      keyId: ID,
    });
    for (const order of [
      [a, b],
      [a, a, b],
    ])
      expect(closed(...order.map(datagram))).toMatchObject({ name: 'meter.example', alpn: 'h3' });
    const same = seal({ frames: [...piece(60, stream.length), ...piece(8, 30)], number: 1 });
    expect(closed(datagram(same), datagram(a)).ja4).toMatch(QJA4);
  });

  it('after a Retry the second hello counts', () => {
    const begun = seal({ frames: crypto(0, stream.slice(0, 40)) });
    const fresh = seal({ frames: crypto(0, stream), id: Uint8Array.of(1, 2, 3, 4, 5), token: new Uint8Array(16) });
    expect(closed(datagram(begun), datagram(fresh))).toMatchObject({ name: 'meter.example' });
  });

  it('a flood of Initials is read up to a bound in each second, and told as QUIC beyond', () => {
    const payload = seal({ frames: crypto(0, stream), size: 100 + stream.length });
    payload[payload.length - 1]! ^= 1;
    const a = new Assembler();
    const b = packetBatch(Array.from({ length: 500 }, () => datagram(payload)));
    let named = 0;
    for (let round = 0; round < 21; round++) {
      for (let i = 0; i < 500; i++) b.addresses[8 * i + 3] = 1000 * round + i;
      if (round === 20) payload[payload.length - 1]! ^= 1;
      if (round === 20) b.bytes = packetBatch(Array.from({ length: 500 }, () => datagram(payload))).bytes;
      a.decoder.decode(b, a.sink);
    }
    const flows = a.closed();
    for (const f of flows) if (f.name !== '') named += 1;
    expect(flows.every((f) => f.service === 14)).toBe(true);
    expect(named).toBe(0);
    // Ten thousand were tried; the sound ones of the last round came too late in their second.
    expect(a.decoder.shed).toBe(500);
  }, 20_000);
});

describe('DTLS', () => {
  const d: Packet = { protocol: 17, fromPort: 40_000, toPort: 5684 };
  const body = helloBody({ version: 0xfefd, cookie: [1, 2, 3], extensions: [serverName('meter.example')] });
  const piece = (from: number, until: number, sequence = 0): Packet => {
    const u24 = (n: number): number[] => [n >> 16, (n >> 8) & 255, n & 255];
    const rest = [1, ...u24(body.length), 0, sequence, ...u24(from), ...u24(until - from), ...body.slice(from, until)];
    const head = [22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, rest.length >> 8, rest.length & 255];
    return { ...d, payload: Uint8Array.from([...head, ...rest]) };
  };

  it('name and fingerprint, whole or in fragments in any order', () => {
    const want = closed(piece(0, body.length));
    expect(want).toMatchObject({ name: 'meter.example', service: 16 });
    expect(want.ja4).toMatch(/^dd2d030100_/);
    expect(closed(piece(50, body.length), piece(0, 30), piece(30, 50)).ja4).toBe(want.ja4);
    // A part of the hello without the cookie does not mix with the one that has it.
    expect(closed(piece(0, 30, 0), piece(30, body.length, 1)).ja4).toBe('');
  });
});

describe('bounds', () => {
  it('beginnings wait in a fixed number of places; the oldest gives way, and its flow is still counted', () => {
    const a = new Assembler();
    const begun = whole.slice(0, 60);
    const flows = PREFIXES_MAX + 50;
    for (let k = 0; k < flows; k++) a.take({ ...data(begun), fromPort: 10_000 + k });
    for (let k = 0; k < flows; k++) a.take({ ...data(whole.slice(60), 1001 + 60), fromPort: 10_000 + k });
    const all = a.closed();
    expect(all).toHaveLength(flows);
    expect(all.filter((f) => f.ja4 !== '')).toHaveLength(PREFIXES_MAX);
    expect(a.decoder.shed).toBe(50);
    expect(all.every((f) => f.payload[0] === whole.length)).toBe(true);
  });

  it('places of flows that end are free again', () => {
    const a = new Assembler();
    for (let k = 0; k < 3 * PREFIXES_MAX; k++)
      a.take(
        { ...data(whole.slice(0, 60)), fromPort: 10_000 + k },
        { ...to, flags: 'S', sequence: k + 7, fromPort: 10_000 + k },
      );
    a.take(...cut(whole, 50));
    expect(a.closed().filter((f) => f.ja4 !== '')).toHaveLength(1);
  });

  it('pieces at any offsets: what is contiguous is what was sent, first copy first', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: -20, max: 200 }), fc.integer({ min: 0, max: 40 })), { maxLength: 30 }),
        (pieces) => {
          const p = new Prefixes();
          const place = p.next();
          p.claim(place, 0, 0);
          const model = new Map<number, number>();
          for (const [k, [offset, length]] of pieces.entries()) {
            const fresh = p.add(place, offset, new Uint8Array(length).fill(k + 1), 0, length);
            let count = 0;
            for (let at = Math.max(0, offset); at < offset + length; at++)
              if (!model.has(at)) {
                model.set(at, k + 1);
                count += 1;
              }
            expect(fresh).toBe(count);
          }
          let ready = 0;
          while (model.has(ready)) ready += 1;
          expect(p.contiguous(place)).toBe(ready);
          for (let at = 0; at < ready; at++) expect(p.bytesOf(place)[at]).toBe(model.get(at));
        },
      ),
      { numRuns: 300, seed: 3 },
    );
    const p = new Prefixes();
    const place = p.next();
    p.claim(place, 0, 0);
    expect(p.add(place, PREFIX_BYTES_MAX - 2, new Uint8Array(9), 0, 9)).toBe(2);
    expect(p.add(place, PREFIX_BYTES_MAX, new Uint8Array(9), 0, 9)).toBe(0);
    for (let k = 0; k < 100; k++) p.add(place, 2 * k, new Uint8Array(1), 0, 1);
    expect(p.contiguous(place)).toBe(1);
  });

  it('names are kept once, given back with their last flow, and lost beyond the pool', () => {
    const pool = new NamePool();
    const take = (s: string): number => pool.take(Buffer.from(s), 0, s.length);
    const a = take('meter.example');
    expect(take('meter.example')).toBe(a);
    expect(pool.count).toBe(1);
    pool.drop(a);
    pool.drop(a);
    expect(pool.count).toBe(0);
    expect(take('')).toBe(0);
    expect(take('a'.repeat(256))).toBe(0);
    const held = new Map<string, number>();
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(300), fc.boolean()), { maxLength: 200 }), (steps) => {
        for (const [n, isTaken] of steps) {
          const s = `h${n}`.repeat(1 + (n % 60)).slice(0, 255);
          if (isTaken) held.set(s, take(s));
          else if (held.has(s) && pool.count > 0) {
            pool.drop(held.get(s)!);
            held.delete(s);
          }
        }
        for (const [s, id] of held) {
          const from = pool.offset[id]!;
          expect(Buffer.from(pool.bytes.subarray(from, from + pool.length[id]!)).toString()).toBe(s);
        }
      }),
      { numRuns: 50, seed: 4 },
    );
    const full = new NamePool();
    const b = new Uint8Array(40);
    for (let k = 0; k < NAMES_MAX + 1000; k++) {
      b[0] = k & 255;
      b[1] = (k >> 8) & 255;
      b[2] = k >> 16;
      full.take(b, 0, 40);
    }
    expect(full.lost).toBeGreaterThan(999);
    expect(full.count).toBeLessThan(NAMES_MAX);
    expect(full.bytes.length).toBe(NAME_POOL_BYTES_MAX);
  });
});

describe('any payloads', () => {
  it('10^4 mutations of hellos, heads, proxies’ messages and Initials: no throw, names inside bounds', () => {
    const seeds: [Packet, Uint8Array][] = [
      [to, whole],
      [to, helloInRecords(parts, 30)],
      [to, Buffer.from('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n')],
      [to, Buffer.from('CONNECT [2001:db8::1]:443 HTTP/1.1\r\n\r\n')],
      [to, Uint8Array.of(5, 1, 0, 5, 1, 0, 3, 1, 97, 0, 25)],
      [to, Uint8Array.of(4, 1, 0, 80, 0, 0, 0, 1, 0, 97, 0)],
      [{ ...to, fromPort: 443, toPort: 40_000 }, serverFlight(Array<number>(50).fill(3), 30)],
      [{ ...to, protocol: 17 }, seal({ frames: crypto(0, message(1, helloBody(parts))), size: 100 })],
    ];
    let s = 1;
    const random = (below: number): number => {
      s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
      return Math.floor((s / 2 ** 32) * below);
    };
    const a = new Assembler();
    for (let k = 0; k < 10_000; k++) {
      const [ends, sound] = seeds[k % seeds.length]!;
      const bytes = Uint8Array.from(sound);
      for (let n = random(4); n > 0; n--) bytes[random(bytes.length)] = random(256);
      const at = random(bytes.length);
      const flow: Packet = { ...ends, at: k / 100, from: `10.1.${k >> 8}.${k & 255}`, flags: 'PA' };
      const pieces = [
        { ...flow, sequence: 1, payload: bytes.slice(0, at) },
        { ...flow, sequence: 1 + at, payload: bytes.slice(at) },
      ];
      a.take(...(random(2) === 0 ? pieces : pieces.toReversed()));
    }
    const flows = a.closed();
    expect(flows).toHaveLength(10_000);
    for (const f of flows) {
      expect(f.name.length).toBeLessThanOrEqual(255);
      if (f.ja4 !== '') expect(f.ja4).toMatch(/^[tdq]..[di]\d{4}\w\w_[0-9a-f]{12}_[0-9a-f]{12}$/);
      expect([0, 64]).toContain(f.certificate.length);
    }
    expect(flows.filter((f) => f.name !== '').length).toBeGreaterThan(1000);
  }, 20_000);
});
