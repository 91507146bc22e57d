import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ip } from '#decoders/ip';
import { LinkType } from '#events';
import { DATAGRAMS_MAX, HELD_BYTES_MAX, type Piece, Reassembly } from './reassembly.ts';
import { Collector, ethernet, fragment, fragments, framesOf, hex, ipv4, ipv6, type Row, run, udp } from './testing.ts';

const seconds = 1e6;
const payloadOf = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, (_, n) => (n * 7 + (n >> 8)) & 255);
const datagram = udp(40000, 53, payloadOf(1000));
const whole = (version: 4 | 6, payload: Uint8Array): Row =>
  run([version === 4 ? ipv4(17, payload, 7) : ipv6(17, payload)], LinkType.Raw).rows[0]!;
/** What must be the same however the datagram came. */
const content = (r: Row): Partial<Row> => ({
  from: r.from,
  to: r.to,
  ports: r.ports,
  protocol: r.protocol,
  payload: r.payload,
  payloadBytes: r.payloadBytes,
  fragment: r.fragment,
});

function shuffled<T>(items: readonly T[], seed: number): T[] {
  const out = [...items];
  let state = seed >>> 0;
  for (let n = out.length - 1; n > 0; n--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const k = (state >>> 8) % (n + 1);
    [out[n], out[k]] = [out[k]!, out[n]!];
  }
  return out;
}

describe.each([4, 6] as const)('fragments of IPv%i', (version) => {
  const cut = (cuts: readonly number[]): Uint8Array[] => fragments(version, 17, datagram, cuts);
  const piece = (from: number, to: number, more = true): Uint8Array =>
    fragment(version, 17, datagram.subarray(from, to), from, more);
  const header = version === 4 ? 20 : 48;

  it('make one row: bytes of all, time and place of the last to come', () => {
    const { rows, faults } = run(cut([400, 800]).reverse(), LinkType.Raw);
    expect(faults).toEqual([]);
    expect(rows).toEqual([
      { ...whole(version, datagram), place: 3, at: 2, parts: 3, ipBytes: datagram.length + 3 * header, fragment: 0 },
    ]);
  });

  it('any split in any order gives the payload of the whole, and duplicates change nothing', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3000 }),
        fc.array(fc.integer({ min: 1, max: 370 }), { maxLength: 30 }),
        fc.integer(),
        fc.boolean(),
        (bytes, eights, seed, twice) => {
          const payload = udp(40000, 53, payloadOf(bytes));
          const cuts = [...new Set(eights)].sort((a, b) => a - b).map((n) => 8 * n);
          const pieces = shuffled(fragments(version, 17, payload, cuts), seed);
          // The last to come completes it; a copy behind that would begin a new datagram.
          const sent = twice
            ? [...pieces.slice(0, -1), ...shuffled(pieces.slice(0, -1), seed), pieces.at(-1)!]
            : pieces;
          const { rows, faults } = run(sent, LinkType.Raw);
          expect(faults).toEqual([]);
          expect(rows.map(content)).toEqual([content(whole(version, payload))]);
          expect(rows[0]!.parts).toBe(pieces.length);
        },
      ),
      { numRuns: 400, seed: 11 },
    );
  });

  it('rows keep their order: those before come first, those behind after', () => {
    const other = (n: number): Uint8Array => ipv4(17, udp(n, 9, hex('aa')));
    const [first, second] = cut([504]);
    const { rows } = run([other(1), first!, other(2), second!, other(3)], LinkType.Raw);
    expect(rows.map((r) => r.place)).toEqual([1, 3, 4, 5]);
    expect(rows.map((r) => r.ports[0])).toEqual([1, 2, 40000, 3]);
  });

  it('elastic/beats#33012: a datagram that never completes is given as it came, the first fragment with its ports', () => {
    const [first, second] = cut([400, 800]);
    const { rows, faults } = run([second!, first!], LinkType.Raw);
    expect(faults).toEqual([]);
    expect(rows).toMatchObject([
      { place: 1, fragment: 1, ports: [0, 0], payloadBytes: 400, parts: 1 },
      { place: 2, fragment: 0, ports: [40000, 53], payloadBytes: 392, parts: 1 },
    ]);
  });

  it('FenkoHQ/dnsmonster#32: a capture of one fragment ends', () => {
    expect(run([piece(0, 400)], LinkType.Raw).rows).toHaveLength(1);
  });

  it('after 30 s fragments are given up by advance(), and a late one begins anew', () => {
    const collector = new Collector();
    const decoder = ip.create();
    decoder.decode(framesOf([piece(0, 400)], LinkType.Raw), collector);
    decoder.advance(30 * seconds, collector);
    expect(collector.rows).toEqual([]);
    decoder.advance(31 * seconds, collector);
    expect(collector.rows).toMatchObject([{ ports: [40000, 53], fragment: 0, at: 0 }]);
    decoder.decode(
      framesOf([piece(400, 1008, false)], LinkType.Raw, () => 32 * seconds),
      collector,
    );
    decoder.end(collector);
    expect(collector.rows).toHaveLength(2);
    expect(decoder.shed).toBe(0);
  });

  it('an identification used again after 30 s is another datagram, also where no advance() came between', () => {
    const [first, second] = cut([504]);
    const { rows } = run([first!, second!], LinkType.Raw, (n) => n * 31 * seconds);
    expect(rows.map((r) => r.fragment)).toEqual([0, 1]);
  });

  it('an end that contradicts (teardrop), no data, and an odd middle are faults; the fragment stands alone', () => {
    const teardrop = run([piece(0, 400), piece(24, 28, false)], LinkType.Raw);
    expect(teardrop.faults).toEqual(['IP_FRAGMENT_LENGTH']);
    expect(teardrop.rows.map((r) => r.fragment)).toEqual([1, 0]);
    expect(run([piece(0, 392), piece(400, 500, false), piece(496, 800)], LinkType.Raw).faults).toEqual([
      'IP_FRAGMENT_LENGTH',
    ]);
    expect(run([piece(8, 8)], LinkType.Raw).faults).toEqual(['IP_FRAGMENT_LENGTH']);
    expect(run([piece(0, 100)], LinkType.Raw)).toMatchObject({
      faults: ['IP_FRAGMENT_LENGTH'],
      rows: [{ ports: [40000, 53] }],
    });
  });

  it('an end behind the longest datagram is a fault (ping of death)', () => {
    const last = fragment(version, 1, new Uint8Array(1000), 65_528, false);
    expect(run([fragment(version, 1, new Uint8Array(80), 0, true), last], LinkType.Raw)).toMatchObject({
      faults: ['IP_FRAGMENT_LENGTH'],
      rows: [{ fragment: 1 }, { fragment: 0 }],
    });
  });

  it('the longest datagram is read', () => {
    const payload = udp(1, 2, payloadOf(65_515 - 8));
    const cuts = Array.from({ length: 45 }, (_, n) => 1480 * (n + 1));
    const { rows, faults } = run(fragments(version, 17, payload, cuts), LinkType.Raw);
    expect(faults).toEqual([]);
    expect(rows).toMatchObject([{ parts: 45, payloadBytes: 65_507, ports: [1, 2] }]);
  });

  it('bytes cut by the snap length end the payload, not the datagram', () => {
    const frames = framesOf(cut([400, 800]), LinkType.Raw);
    frames.length[1] = frames.length[1]! - 100;
    const collector = new Collector();
    ip.create().decode(frames, collector);
    expect(collector.rows).toMatchObject([{ payloadBytes: 1000, parts: 3 }]);
    expect(collector.rows[0]!.payload).toBe(Buffer.from(payloadOf(692)).toString('hex'));
  });

  it('a tunnel in fragments is opened, and a fragment in a tunnel is joined', () => {
    const plain = content(whole(version, datagram));
    const packet = version === 4 ? ipv4(17, datagram, 7) : ipv6(17, datagram);
    const vxlan = Buffer.concat([hex('0800000000002a00'), ethernet(version === 4 ? 0x0800 : 0x86dd, packet)]);
    const outer = fragments(4, 17, udp(1, 4789, vxlan), [504]);
    const { rows } = run(outer, LinkType.Raw);
    expect(rows.map(content)).toEqual([plain]);
    expect(rows[0]).toMatchObject({ parts: 2, ipBytes: packet.length });
    const inner = cut([400, 800]).map((p) => ipv4(version === 4 ? 4 : 41, p, 1, 0, 50, 51));
    expect(run(inner, LinkType.Raw).rows.map(content)).toEqual([plain]);
    const both = inner.flatMap((p, n) =>
      fragments(4, version === 4 ? 4 : 41, p.subarray(20), [200]).map((f) => {
        const copy = new Uint8Array(f);
        copy[5] = n;
        return copy;
      }),
    );
    expect(run(both, LinkType.Raw).rows.map(content)).toEqual([plain]);
  });

  it('the same addresses in another VLAN are another network', () => {
    const type = version === 4 ? '0800' : '86dd';
    const tagged = (vlan: string, p: Uint8Array): Uint8Array => ethernet(0x8100, Buffer.concat([hex(vlan + type), p]));
    const [first, second] = cut([504]);
    expect(run([tagged('0001', first!), tagged('0002', second!)], LinkType.Ethernet).rows).toHaveLength(2);
  });

  it('10^4 mutations of fragments, tunnels among them: no throw, ranges inside, never more rows than frames', () => {
    const seeds = [
      ...cut([80, 160, 240]),
      ...cut([400]).map((p) => ipv4(version === 4 ? 4 : 41, p, 1, 0, 50, 51)),
      ...fragments(
        4,
        17,
        udp(1, 4789, Buffer.concat([hex('0800000000002a00'), ethernet(0x0800, ipv4(17, datagram))])),
        [64],
      ),
    ];
    let state = 31;
    const random = (n: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % n;
    };
    const decoder = ip.create();
    const collector = new Collector();
    for (let n = 0; n < 10_000; n++) {
      const seed = seeds[random(seeds.length)]!;
      const copy = new Uint8Array(seed.subarray(0, random(4) === 0 ? random(seed.length) : seed.length));
      for (let k = random(4); k > 0 && copy.length > 0; k--) copy[random(Math.min(60, copy.length))] = random(256);
      decoder.decode(
        framesOf([copy], LinkType.Raw, () => n * 1000),
        collector,
      );
      decoder.advance(n * 1000, collector);
    }
    decoder.end(collector);
    expect(collector.broken).toBe(false);
    expect(collector.rows.length).toBeLessThanOrEqual(10_000);
    expect(collector.rows.filter((r) => r.parts > 1).length).toBeGreaterThan(30);
  });
});

describe('overlaps', () => {
  const a = payloadOf(400);
  const b = new Uint8Array(400).fill(0xee);

  it('IPv4: the bytes that came first win, and a fault says so', () => {
    const { rows, faults } = run(
      [
        fragment(4, 200, a.subarray(80, 240), 80, true),
        fragment(4, 200, b.subarray(0, 160), 0, true),
        fragment(4, 200, b.subarray(160, 400), 160, false),
      ],
      LinkType.Raw,
    );
    expect(faults).toEqual(['IP_FRAGMENT_OVERLAP', 'IP_FRAGMENT_OVERLAP']);
    const expected = Buffer.from(b);
    expected.set(a.subarray(80, 240), 80);
    expect(rows.map((r) => r.payload)).toEqual([expected.toString('hex')]);
  });

  it('RFC 5722: IPv6 drops the datagram with all that comes of it', () => {
    const { rows, faults } = run(
      [
        fragment(6, 17, datagram.subarray(0, 400), 0, true),
        fragment(6, 17, datagram.subarray(392, 800), 392, true),
        fragment(6, 17, datagram.subarray(800), 800, false),
        fragment(6, 17, datagram.subarray(400, 800), 400, true),
      ],
      LinkType.Raw,
    );
    expect(faults).toEqual(['IP_FRAGMENT_OVERLAP']);
    expect(rows).toEqual([]);
  });

  it('RFC 8200: a duplicate with other bytes is an overlap', () => {
    const sent = [fragment(6, 17, a, 0, true), fragment(6, 17, b, 0, true)];
    expect(run(sent, LinkType.Raw)).toMatchObject({ rows: [], faults: ['IP_FRAGMENT_OVERLAP'] });
  });
});

describe('IPv6', () => {
  it('RFC 6946: an atomic fragment is a whole datagram at once', () => {
    const collector = new Collector();
    ip.create().decode(framesOf([fragment(6, 17, datagram, 0, false)], LinkType.Raw), collector);
    expect(collector.rows.map(content)).toEqual([content(whole(6, datagram))]);
  });

  it('extension headers before and behind the fragment header are read', () => {
    const options = hex('1100010400000000');
    const behind = fragments(6, 60, Buffer.concat([options, datagram]), [504]);
    expect(run(behind, LinkType.Raw).rows.map(content)).toEqual([content(whole(6, datagram))]);
    const before = fragments(6, 17, datagram, [504]).map((p) =>
      ipv6(60, Buffer.concat([hex('2c00010400000000'), p.subarray(40)])),
    );
    expect(run(before, LinkType.Raw).rows.map(content)).toEqual([content(whole(6, datagram))]);
  });
});

describe('bounds', () => {
  const piece = (bytes: number, offset = 0): Piece => ({
    version: 4,
    packet: new Uint8Array(20 + bytes),
    dataAt: 20,
    nextAt: -1,
    dataBytes: bytes,
    offset,
    more: true,
    ipBytes: 20 + bytes,
    at: 0,
    place: 0,
    origin: { file: '', placed: 'frame' },
    vlan: 0,
    tags: 0,
    depth: 0,
    guessed: false,
  });
  const put = (r: Reassembly, key: string, p: Piece): string[] => {
    const gone: string[] = [];
    for (let d = r.due(key, p); d !== undefined; d = r.due(key, p)) gone.push(d.key);
    r.add(key, p);
    expect(r.count).toBeLessThanOrEqual(DATAGRAMS_MAX);
    expect(r.heldBytes).toBeLessThanOrEqual(HELD_BYTES_MAX);
    return gone;
  };

  it('the oldest datagram goes first, and is counted', () => {
    const r = new Reassembly();
    for (let n = 0; n < DATAGRAMS_MAX; n++) expect(put(r, `${n}`, piece(8))).toEqual([]);
    expect(put(r, 'one more', piece(8))).toEqual(['0']);
    expect(put(r, 'and one', piece(8))).toEqual(['1']);
    expect(r.shed).toBe(2);
  });

  it('bytes are bounded, whatever the sizes', () => {
    const r = new Reassembly();
    for (let n = 0; n < 2000; n++) put(r, `${n % 700}`, piece(8 * (1 + ((n * 37) % 8000)), 0));
    expect(r.shed).toBeGreaterThan(0);
    while (r.expire(Number.POSITIVE_INFINITY) !== undefined);
    expect([r.count, r.heldBytes]).toEqual([0, 0]);
  });

  it('a flood of fragments loses none of them: each is a row in the end', () => {
    const flood: Uint8Array[] = [];
    for (let n = 0; n < 5000; n++) flood.push(fragment(4, 17, datagram.subarray(0, 400), 0, true, n));
    const collector = new Collector();
    const decoder = ip.create();
    for (let n = 0; n < flood.length; n += 1000)
      decoder.decode(framesOf(flood.slice(n, n + 1000), LinkType.Raw), collector);
    expect(decoder.shed).toBe(5000 - DATAGRAMS_MAX);
    decoder.end(collector);
    expect(collector.rows).toHaveLength(5000);
    expect(collector.rows.every((r) => r.ports[1] === 53 && r.fragment === 0)).toBe(true);
  });

  it('a flood of tiny fragments of one datagram is bounded by their number', () => {
    const flood: Uint8Array[] = [];
    for (let n = 0; n < 4000; n++) flood.push(fragment(4, 17, payloadOf(8), 16 * (n % 4000), true));
    const { rows, faults } = run(flood, LinkType.Raw);
    expect(rows).toHaveLength(4000);
    expect(faults).toEqual([]);
  });
});
