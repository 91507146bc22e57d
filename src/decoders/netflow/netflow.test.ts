// Records to flows, rates, restarts, and what an adversary may send.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '#lib/random';
import { Conversations } from './conversations.ts';
import { HELD_BYTES_MAX } from './domain.ts';
import { netflow } from './netflow.ts';
import { Datagram, FlowRecord } from './record.ts';
import {
  Collector,
  type Field,
  ip4,
  ipfix,
  octets,
  optionsV9,
  PLAIN,
  plain,
  recording,
  set,
  sflow,
  T0,
  template,
  type V5Record,
  v5,
  v9,
} from './testing.ts';

const TEMPLATE = set(0, template(256, PLAIN));
const there: V5Record = { protocol: 6, flags: 0x1b, packets: 10, bytes: 1000 };
const back: V5Record = {
  from: '10.0.0.2',
  to: '10.0.0.1',
  fromPort: 443,
  toPort: 40_000,
  protocol: 6,
  flags: 0x1b,
  packets: 8,
  bytes: 9000,
};

describe('flows of records', () => {
  it('two directions are one flow, told when both sides have ended, whichever comes first', () => {
    for (const pair of [
      [there, back],
      [back, there],
    ]) {
      const c = new Collector().send({ bytes: v5(pair) });
      expect(c.flows).toHaveLength(1);
      expect(c.flows[0]).toMatchObject({
        ends: '10.0.0.1:40000 > 10.0.0.2:443',
        phase: 2,
        state: 'SF',
        service: 1,
        packets: [10, 8],
        ipBytes: [1000, 9000],
        payload: [1000 - 10 * 52 - 8, 9000 - 8 * 52 - 8],
      });
      expect(c.closed()).toHaveLength(1);
    }
  });

  it('pieces of a long flow add up in one flow, told while it lives', () => {
    const piece = (first: number, last: number): V5Record => ({
      protocol: 6,
      flags: 0x18,
      packets: 10,
      bytes: 1000,
      first,
      last,
    });
    const c = new Collector();
    for (let k = 1; k <= 5; k++)
      c.send({
        at: 60 * k,
        bytes: v5([piece(60_000 * (k - 1), 60_000 * k - 100)], {
          seconds: 60 * k,
          uptime: 60_000 * k,
          sequence: k - 1,
        }),
      });
    expect(c.flows.map((f) => f.phase)).toEqual([0, 1, 1, 1, 1, 1]);
    expect(c.flows.map((f) => f.delta[0])).toEqual([0, 480, 480, 480, 480, 480]);
    const [flow] = c.closed();
    expect(flow).toMatchObject({ packets: [50, 0], firstAt: T0 * 1e6, lastAt: (T0 + 300) * 1e6 - 100_000 });
  });

  it('a new flow on the tuple of one that has ended is a flow of its own', () => {
    const c = new Collector().send(
      { bytes: v5([there, back]) },
      {
        at: 5,
        bytes: v5(
          [
            { ...there, first: 1_004_000 },
            { ...back, first: 1_004_000 },
          ],
          { seconds: 5, uptime: 1_005_000, sequence: 2 },
        ),
      },
    );
    expect(c.closed().map((f) => f.packets)).toEqual([
      [10, 8],
      [10, 8],
    ]);
  });

  it('who began: SYN alone, ICMP by type, groups never, better-known port, then time', () => {
    const cases: [V5Record, V5Record, string][] = [
      [
        { protocol: 6, flags: 2, fromPort: 80, toPort: 5000 },
        { protocol: 6, flags: 0x14, fromPort: 5000, toPort: 80 },
        '10.0.0.1:80 > 10.0.0.2:5000',
      ],
      [
        { protocol: 1, fromPort: 0, toPort: 0 },
        { protocol: 1, fromPort: 0, toPort: 0x0800 },
        '10.0.0.2:8 > 10.0.0.1:8',
      ],
      [
        { fromPort: 5000, toPort: 6000, first: 999_500 },
        { fromPort: 6000, toPort: 5000, first: 999_000 },
        '10.0.0.2:6000 > 10.0.0.1:5000',
      ],
      [{ fromPort: 53, toPort: 6000 }, { fromPort: 6000, toPort: 53 }, '10.0.0.2:6000 > 10.0.0.1:53'],
    ];
    for (const [a, b, ends] of cases) {
      const c = new Collector().send({ bytes: v5([a, { from: '10.0.0.2', to: '10.0.0.1', ...b }]) });
      expect(c.closed().map((f) => f.ends)).toEqual([ends]);
    }
    const group = new Collector().send({
      bytes: v5([{ to: '255.255.255.255', fromPort: 68, toPort: 67 }, { to: '224.0.0.251' }]),
    });
    expect(group.closed().map((f) => f.ends.split(' > ')[1]!.split(':')[0])).toEqual([
      '255.255.255.255',
      '224.0.0.251',
    ]);
  });

  it('flows of one exporter are joined whichever line card (domain) tells them, those of different exporters are not', () => {
    const datagram = (r: V5Record, domain: number): Uint8Array => v9([TEMPLATE, set(256, plain(r))], { domain });
    const c = new Collector().send(
      { bytes: datagram(there, 1) },
      { bytes: datagram(back, 2) },
      { bytes: datagram(there, 1), from: '192.0.2.9' },
    );
    expect(c.closed().map((f) => f.packets)).toEqual([
      [10, 8],
      [10, 0],
    ]);
  });

  it('ingress and egress of one device count once (61), in both directions and after the end', () => {
    const fields = set(0, template(256, [...PLAIN, [61, 1]]));
    const both = (r: V5Record): Uint8Array[] => [octets(plain(r), [0, 1]), octets(plain(r), [1, 1])];
    const c = new Collector().send({ bytes: v9([fields, set(256, ...both(there), ...both(back))]) });
    expect(c.closed().map((f) => [f.packets, f.ipBytes])).toEqual([
      [
        [10, 8],
        [1000, 9000],
      ],
    ]);
    // The two directions of an interface that tells both ways are two sides, not doubles.
    const one = new Collector().send({
      bytes: v9([fields, set(256, octets(plain(there), [0, 1]), octets(plain(back), [1, 1]))]),
    });
    expect(one.closed().map((f) => f.packets)).toEqual([[10, 8]]);
  });

  it('ASA NSEL: what updates and the deletion count is not summed; what was denied is an attempt', () => {
    const fields: Field[] = [
      [8, 4],
      [7, 2],
      [12, 4],
      [11, 2],
      [4, 1],
      [233, 1],
      [323, 8],
      [231, 4],
      [232, 4],
    ];
    const event = (kind: number, sent: number, got: number, port = 5000): Uint8Array =>
      octets(
        ip4('10.0.0.1'),
        [port, 2],
        ip4('10.0.0.2'),
        [443, 2],
        [6, 1],
        [kind, 1],
        [T0 * 1000, 8],
        [sent, 4],
        [got, 4],
      );
    const c = new Collector().send({
      bytes: v9([
        set(0, template(256, fields)),
        set(256, event(1, 0, 0), event(5, 500, 4000), event(5, 800, 9000), event(2, 900, 9500), event(3, 0, 0, 6000)),
      ]),
    });
    expect(c.closed().map((f) => [f.ends, f.ipBytes, f.state])).toEqual([
      ['10.0.0.1:5000 > 10.0.0.2:443', [900, 9500], 'OTH'],
      ['10.0.0.1:6000 > 10.0.0.2:443', [0, 0], 'S0'],
    ]);
  });

  it('a biflow (RFC 5103) is both directions, and biflowDirection may turn it', () => {
    const fields: Field[] = [
      [8, 4],
      [12, 4],
      [2, 4],
      [1, 4],
      [2, 4, 29_305],
      [1, 4, 29_305],
      [239, 1],
    ];
    const record = (direction: number): Uint8Array =>
      octets(ip4('10.0.0.1'), ip4('10.0.0.2'), [3, 4], [300, 4], [2, 4], [2000, 4], [direction, 1]);
    for (const [direction, ends, packets] of [
      [1, '10.0.0.1:0 > 10.0.0.2:0', [3, 2]],
      [2, '10.0.0.2:0 > 10.0.0.1:0', [2, 3]],
    ] as const) {
      const c = new Collector().send({ bytes: ipfix([set(2, template(256, fields)), set(256, record(direction))]) });
      expect(c.closed().map((f) => [f.ends, f.packets])).toEqual([[ends, packets]]);
    }
  });
});

describe('sampling', () => {
  const SAMPLERS = set(
    1,
    optionsV9(
      300,
      [[4, 4]],
      [
        [48, 1],
        [50, 4],
      ],
    ),
  );
  const sampler = (id: number, rate: number): Uint8Array => set(300, octets([0, 4], [id, 1], [rate, 4]));
  const fields = set(0, template(256, [...PLAIN, [48, 1]]));

  it('rates of one domain are kept by sampler; counts are multiplied once', () => {
    const c = new Collector().send({
      bytes: v9([
        SAMPLERS,
        sampler(1, 100),
        sampler(2, 2000),
        fields,
        set(
          256,
          octets(plain({ toPort: 1 }), [1, 1]),
          octets(plain({ toPort: 2 }), [2, 1]),
          octets(plain({ toPort: 3 }), [3, 1]),
        ),
      ]),
    });
    const flows = c.closed();
    expect(flows.map((f) => [f.packets[0], f.ipBytes[0]])).toEqual([
      [100, 10_000],
      [2000, 200_000],
      [1, 100],
    ]);
    expect(c.rates).toEqual([100, 2000, 0]);
    expect(c.codes()).toEqual([]);
    expect(c.coverage.get('sampling-unknown')).toMatch(/^1: exporters do not say .*: 192\.0\.2\.1;/);
  });

  it('by interface, where the options scope is one', () => {
    const c = new Collector().send({
      bytes: v9([
        set(1, optionsV9(300, [[2, 4]], [[34, 4]])),
        set(300, octets([7, 4], [10, 4]), octets([8, 4], [20, 4])),
        set(0, template(256, [...PLAIN, [10, 2]])),
        set(256, octets(plain({ toPort: 1 }), [7, 2]), octets(plain({ toPort: 2 }), [8, 2])),
      ]),
    });
    expect(c.closed().map((f) => f.packets[0])).toEqual([10, 20]);
  });

  it('packet interval and space (305, 306), size and population (309, 310), probability (311)', () => {
    for (const [a, b, x, y] of [
      [305, 306, 1, 99],
      [309, 310, 2, 200],
    ] as const) {
      const c = new Collector().send({
        bytes: ipfix([
          set(3, octets([300, 2], [3, 2], [1, 2], [149, 2], [4, 2], [a, 2], [4, 2], [b, 2], [4, 2])),
          set(300, octets([0, 4], [x, 4], [y, 4])),
          set(2, template(256, PLAIN)),
          set(256, plain()),
        ]),
      });
      c.closed();
      expect(c.rates).toEqual([100]);
    }
  });

  it('v5: fourteen bits of the header', () => {
    const c = new Collector().send({ bytes: v5([{ packets: 3, bytes: 300 }], { sampling: 0x4000 | 1000 }) });
    expect(c.closed()[0]).toMatchObject({ packets: [3000, 0], ipBytes: [300_000, 0] });
  });
});

describe('an exporter', () => {
  it('that begins anew loses its templates; one whose line cards have their own uptimes does not', () => {
    const at = (
      seconds: number,
      uptime: number,
      sequence: number,
      sets: Uint8Array[],
    ): { at: number; bytes: Uint8Array } => ({
      at: seconds,
      bytes: v9(sets, { seconds, uptime, sequence }),
    });
    const anew = new Collector().send(at(0, 9_000_000, 100, [TEMPLATE]), at(60, 1000, 0, [set(256, plain())]));
    expect(anew.codes()).toEqual(['NETFLOW_RESTART']);
    expect(anew.closed()).toEqual([]);
    expect(anew.codes()).toContain('NETFLOW_TEMPLATE_MISSING');
    const cards = new Collector().send(at(0, 9_000_000, 100, [TEMPLATE]), at(1, 8_000_000, 101, [set(256, plain())]));
    expect(cards.codes()).toEqual([]);
    const wrapped = new Collector().send(
      at(0, 2 ** 32 - 500, 100, [TEMPLATE]),
      at(1, 500, 101, [set(256, plain({ first: 2 ** 32 - 100, last: 100 }))]),
    );
    expect(wrapped.codes()).toEqual([]);
  });

  it('whose datagrams are lost is told of, each version as it counts', () => {
    const lost = (...datagrams: Uint8Array[]): number =>
      new Collector()
        .send(...datagrams.map((bytes) => ({ bytes })))
        .codes()
        .filter((x) => x === 'NETFLOW_LOST').length;
    expect(lost(v5([{}, {}], { sequence: 10 }), v5([{}], { sequence: 12 }), v5([{}], { sequence: 20 }))).toBe(1);
    expect(
      lost(v9([TEMPLATE], { sequence: 4 }), v9([TEMPLATE], { sequence: 5 }), v9([TEMPLATE], { sequence: 9 })),
    ).toBe(1);
    const data = [set(2, template(256, PLAIN)), set(256, plain(), plain())];
    expect(lost(ipfix(data, { sequence: 0 }), ipfix(data, { sequence: 2 }), ipfix(data, { sequence: 9 }))).toBe(1);
    // Overtaken on the way.
    expect(
      lost(
        v9([TEMPLATE], { sequence: 4 }),
        v9([TEMPLATE], { sequence: 6 }),
        v9([TEMPLATE], { sequence: 5 }),
        v9([TEMPLATE], { sequence: 7 }),
      ),
    ).toBe(1);
  });

  it('may withdraw IPFIX templates, one or all', () => {
    for (const withdrawn of [256, 2]) {
      const c = new Collector().send(
        { bytes: ipfix([set(2, template(256, PLAIN))]) },
        { bytes: ipfix([set(2, octets([withdrawn, 2], [0, 2])), set(256, plain())]) },
      );
      expect(c.closed()).toEqual([]);
      expect(c.codes()).toEqual(['NETFLOW_TEMPLATE_MISSING']);
    }
  });
});

describe('sFlow', () => {
  const tcp = octets(
    [0, 12],
    [0x0800, 2],
    [0x45, 1],
    [0, 1],
    [1500, 2],
    [0, 4],
    [64, 1],
    [6, 1],
    [0, 2],
    ip4('10.0.0.1'),
    ip4('10.0.0.2'),
    [5000, 2],
    [443, 2],
    [0, 8],
    [0x50, 1],
    [0x18, 1],
    [0, 6],
  );

  it('a sample is one packet, multiplied by its rate; expanded samples too; counters are passed over', () => {
    for (const expanded of [false, true]) {
      const c = new Collector().send({ bytes: sflow([tcp, tcp], { rate: 512, expanded }), port: 6343 });
      const [flow] = c.closed();
      expect(flow).toMatchObject({
        ends: '10.0.0.1:5000 > 10.0.0.2:443',
        packets: [1024, 0],
        ipBytes: [1_536_000, 0],
        payload: [1024 * 1460, 0],
      });
      expect(c.codes()).toEqual([]);
    }
  });
});

describe('whatever comes', () => {
  const samples = [
    v5([there, back]),
    v9([
      set(1, optionsV9(300, [[1, 4]], [[34, 4]])),
      set(300, octets([1, 4], [9, 4])),
      TEMPLATE,
      set(256, plain(there), plain(back)),
    ]),
    ipfix([
      set(
        2,
        template(256, [
          [8, 4],
          [371, 65_535],
          [12, 4],
          [315, 65_535],
          [2, 4, 29_305],
          [152, 8],
        ]),
        template(257, PLAIN),
      ),
      set(257, plain(there)),
    ]),
    sflow([octets([0, 12], [0x8847, 2], [0x100, 4], [0, 40]), new Uint8Array(64)], { rate: 3 }),
  ];

  it('never throws, never makes a flow of what is cut, and keeps rows sane: mutations of each version', () => {
    const runs = Number(process.env.PARAPET_FUZZ ?? 10_000);
    const random = seededRandom(7);
    const seeds: Uint8Array[] = [...samples];
    const folder = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'flow/netflow/logstash');
    if (existsSync(folder)) for (const f of readdirSync(folder)) seeds.push(readFileSync(join(folder, f)));
    let c = new Collector();
    for (let run = 0; run < runs; run++) {
      if (run % 2000 === 0) c = new Collector();
      const bytes = Uint8Array.from(seeds[random.integer(0, seeds.length - 1)]!);
      for (let k = random.integer(1, 8); k > 0; k--)
        bytes[random.integer(0, bytes.length - 1)] = random.integer(0, 255);
      const cut = random.integer(0, 3) === 0 ? bytes.subarray(0, random.integer(0, bytes.length)) : bytes;
      c.send({ bytes: cut, at: run / 100, from: `192.0.2.${run % 5}` });
      c.flows.length = 0;
      c.faults.length = 0;
    }
    for (const f of c.closed()) {
      expect(f.lastAt).toBeGreaterThanOrEqual(f.firstAt);
      expect([...f.packets, ...f.ipBytes, ...f.payload].every((x) => Number.isFinite(x) && x >= 0)).toBe(true);
    }
  });

  it('every prefix of a datagram gives a prefix of its records', () => {
    for (const bytes of samples) {
      const whole = recording(() => new Collector().send({ bytes })).records;
      for (let n = 0; n < bytes.length; n++) {
        const part = recording(() => new Collector().send({ bytes: bytes.subarray(0, n) })).records;
        expect(whole.slice(0, part.length)).toEqual(part);
      }
    }
  });

  it('any octets at all on a collector’s port give faults or nothing', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom([0, 5], [0, 9], [0, 10], [0, 0, 0, 5]),
        (tail, head) => {
          new Collector().send({ bytes: Uint8Array.from([...head, ...tail]) }).closed();
        },
      ),
      { numRuns: 2000, seed: 3 },
    );
  });

  it('off a collector’s port only what adds up is an export', () => {
    const records = (bytes: Uint8Array): number =>
      recording(() => new Collector().send({ bytes, port: 8096 })).records.length;
    expect(samples.map(records)).toEqual(
      samples.map((bytes) => recording(() => new Collector().send({ bytes })).records.length),
    );
    for (const bytes of samples) expect(records(Uint8Array.from([...bytes, 1]))).toBe(0);
  });

  it('sets that lie about their length end the datagram, and lengths of nothing end no loop', () => {
    for (const length of [0, 1, 3, 5000]) {
      const c = new Collector().send({ bytes: v9([TEMPLATE, octets([256, 2], [length, 2]), set(256, plain())]) });
      expect(c.codes()).toEqual(['NETFLOW_SET_LENGTH']);
    }
    const empty = new Collector().send({
      bytes: v9([
        set(
          0,
          template(256, [
            [8, 0],
            [12, 0],
          ]),
        ),
        set(256, plain()),
      ]),
    });
    expect(empty.codes()).toEqual(['NETFLOW_TEMPLATE']);
  });

  it('every fault has its text', () => {
    for (const text of Object.values(netflow.card.faults))
      expect(text.text.length * text.remedy.length * text.lost.length).toBeGreaterThan(0);
  });
});

describe('bounds', () => {
  it('1,024 domains: the idlest gives way', () => {
    const c = new Collector();
    for (let domain = 0; domain < 1500; domain++)
      c.send({ at: domain, bytes: v9([TEMPLATE], { domain, seconds: domain }) });
    expect(c.codes().filter((x) => x === 'NETFLOW_EXPORTERS')).toHaveLength(476);
    expect(c.decoder.shed).toBe(476);
  });

  it('512 templates a domain: the oldest gives way', () => {
    const c = new Collector();
    for (let id = 256; id < 256 + 513; id++) c.send({ bytes: v9([set(0, template(id, PLAIN))], { sequence: id }) });
    expect(c.codes()).toEqual(['NETFLOW_TEMPLATES_FULL']);
    const { records } = recording(() =>
      c.send(
        { bytes: v9([set(257, plain())], { sequence: 769 }) },
        { bytes: v9([set(256, plain())], { sequence: 770 }) },
      ),
    );
    expect(records).toHaveLength(1);
  });

  it('templates of all domains have one bound; who was there before keeps its own', () => {
    const c = new Collector();
    c.send({ bytes: v9([TEMPLATE]), from: '192.0.2.200' });
    const wide = Array.from({ length: 1000 }, (_, i): Field => [i % 7 === 0 ? 371 : 1, 4]);
    wide[0] = [371, 65_535];
    const many = (id: number): Uint8Array => set(0, ...Array.from({ length: 10 }, (_, i) => template(id + i, wide)));
    for (let domain = 0; domain < 120; domain++) c.send({ bytes: v9([many(256)], { domain }) });
    expect(c.codes().filter((x) => x === 'NETFLOW_TEMPLATES_FULL').length).toBeGreaterThan(150);
    const { records } = recording(() =>
      c.send({ bytes: v9([set(256, plain())], { sequence: 1 }), from: '192.0.2.200' }),
    );
    expect(records).toHaveLength(1);
  });

  it('64 waiting sets a domain and 8 MiB in all, half an hour', () => {
    const c = new Collector();
    const big = v9([set(256, new Uint8Array(60_000))]);
    for (let k = 0; k < 400; k++) c.send({ at: 1, bytes: big, from: `192.0.2.${k % 200}` });
    const dropped = c.codes().filter((x) => x === 'NETFLOW_TEMPLATE_MISSING').length;
    const room = Math.floor(HELD_BYTES_MAX / 60_004);
    expect(dropped).toBe(400 - room);
    c.advance(1800);
    expect(c.codes().filter((x) => x === 'NETFLOW_TEMPLATE_MISSING').length).toBe(dropped);
    c.advance(2200);
    expect(c.codes().filter((x) => x === 'NETFLOW_TEMPLATE_MISSING').length).toBe(400);
  });

  it('flows: beyond the bound the idlest of sixteen is closed, and every record is counted somewhere', () => {
    const flows = new Conversations(4096);
    let closed = 0;
    let packets = 0;
    const sink = {
      emit: (b: { kind: string }) => {
        const f = b as unknown as { count: number; originatorPackets: Float64Array; responderPackets: Float64Array };
        closed += f.count;
        for (let i = 0; i < f.count; i++) packets += f.originatorPackets[i]! + f.responderPackets[i]!;
      },
      fault: () => {},
    };
    const r = new FlowRecord();
    const d = new Datagram();
    for (let k = 0; k < 20_000; k++) {
      r.clear();
      r.addresses.set([0, 0, 0xffff, k, 0, 0, 0xffff, 1]);
      r.packets = 1;
      r.protocol = 17;
      d.at = k;
      flows.take(r, 1, d, sink as never);
      expect(flows.live).toBeLessThanOrEqual(4096);
    }
    expect(flows.shed).toBe(20_000 - 4096);
    flows.end(sink as never);
    expect([closed, packets]).toEqual([20_000, 20_000]);
  });
});
