// Faults of other collectors, each as a datagram that they read wrongly.
import { describe, expect, it } from 'vitest';
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
  T0,
  type Told,
  template,
  v5,
  v9,
} from './testing.ts';

/** Records that datagrams give, and faults. */
function told(...datagrams: readonly Uint8Array[]): Told[] {
  return recording(() => new Collector().send(...datagrams.map((bytes) => ({ bytes })))).records;
}
const DATA = set(256, plain());
const TEMPLATE = set(0, template(256, PLAIN));
const ENDS: readonly Field[] = [
  [8, 4],
  [12, 4],
  [2, 4],
  [1, 4],
];
const ends = (packets = 1): Uint8Array => octets(ip4('10.0.0.1'), ip4('10.0.0.2'), [packets, 4], [100 * packets, 4]);
const SAMPLING = set(1, optionsV9(300, [[1, 4]], [[34, 4]]));
const rate = (value: number): Uint8Array => set(300, octets([1, 4], [value, 4]));

describe('faults of other collectors', () => {
  it('1 goflow2#431: an uptime that wrapped between the first packet and the export is no 49.7 days', () => {
    const [r] = told(v5([{ first: 2 ** 32 - 5000, last: 1000 }], { uptime: 10_000 }));
    expect([r!.firstAt, r!.lastAt]).toEqual([T0 * 1e6 - 15_000_000 - 0, T0 * 1e6 - 9_000_000]);
    const [n] = told(v9([TEMPLATE, set(256, plain({ first: 2 ** 32 - 5000, last: 1000 }))], { uptime: 10_000 }));
    expect([n!.firstAt, n!.lastAt]).toEqual([r!.firstAt, r!.lastAt]);
  });

  it('2 goflow2#206, #207: sampling told from another port counts, with fields of no interest around it', () => {
    const options = set(
      1,
      optionsV9(
        300,
        [[1, 4]],
        [
          [41, 2],
          [34, 4],
          [35, 1],
        ],
      ),
    );
    const c = new Collector();
    const { records } = recording(() =>
      c.send(
        { bytes: v9([options, set(300, octets([1, 4], [7, 2], [512, 4], [1, 1]))]), fromPort: 1111 },
        { bytes: v9([TEMPLATE, DATA], { sequence: 1 }), fromPort: 2222 },
      ),
    );
    expect(records.map((r) => r.rate)).toEqual([512]);
    expect(c.codes()).toEqual([]);
  });

  it('3 goflow2#309: data before its template waits, and is no flood of faults where it never comes', () => {
    const c = new Collector();
    const { records } = recording(() => {
      for (let i = 0; i < 1000; i++) c.send({ bytes: v9([DATA], { sequence: i }), at: 1 });
      c.send({ bytes: v9([TEMPLATE], { sequence: 1000 }), at: 2 });
    });
    expect(records.length).toBe(64);
    // What did not find room is counted by the pipeline under one code.
    expect(new Set(c.codes().slice(0, -1))).toEqual(new Set(['NETFLOW_TEMPLATE_MISSING']));
  });

  it('4 akvorado#89: the sampling rate in the same datagram as its template is read', () => {
    expect(told(v9([SAMPLING, rate(2048), TEMPLATE, DATA])).map((r) => r.rate)).toEqual([2048]);
  });

  it('5 akvorado#697: datagrams in any order give the same records', () => {
    const parts = [v9([TEMPLATE]), v9([DATA]), v9([set(256, plain({ packets: 7 }))])];
    for (const order of [
      [0, 1, 2],
      [1, 2, 0],
      [2, 0, 1],
      [1, 0, 2],
    ])
      expect(
        told(...order.map((i) => parts[i]!))
          .map((r) => r.packets)
          .sort(),
      ).toEqual([1, 7]);
  });

  it('6 nfdump#14: times are by the header of each datagram', () => {
    const data = (seconds: number, uptime: number): Uint8Array =>
      v9([set(256, plain({ first: uptime - 1000, last: uptime }))], { seconds, uptime });
    const records = told(v9([TEMPLATE]), data(10, 1_010_000), data(20, 1_020_000));
    expect(records.map((r) => r.firstAt / 1e6 - T0)).toEqual([9, 19]);
  });

  it('7 nfdump#80: switched times of eight octets (NX-OS) are milliseconds since 1970', () => {
    const fields: Field[] = [...ENDS, [22, 8], [21, 8]];
    const at = (T0 - 30) * 1000;
    const [r] = told(v9([set(0, template(256, fields)), set(256, ends(), octets([at, 8], [at + 500, 8]))]));
    expect([r!.firstAt, r!.lastAt]).toEqual([at * 1000, (at + 500) * 1000]);
    const [short] = told(v9([set(0, template(256, fields)), set(256, ends(), octets([999_000, 8], [999_500, 8]))]));
    expect(short!.firstAt).toBe((T0 - 1) * 1e6);
  });

  it.each([
    [150, 151, 4, T0 - 5, T0 - 3],
    [152, 153, 8, (T0 - 5) * 1000, (T0 - 3) * 1000],
    [154, 155, 8, (T0 - 5 + 2_208_988_800) * 2 ** 32, (T0 - 3 + 2_208_988_800) * 2 ** 32],
    [156, 157, 8, (T0 - 5 + 2_208_988_800) * 2 ** 32, (T0 - 3 + 2_208_988_800) * 2 ** 32],
    [158, 159, 4, 5_000_000, 3_000_000],
  ])('8 nfdump#50, 9 nfdump#36: elements %i and %i tell the time of a flow in IPFIX', (first, last, length, a, b) => {
    const fields: Field[] = [...ENDS, [first, length], [last, length]];
    const [r] = told(ipfix([set(2, template(256, fields)), set(256, ends(), octets([a, length], [b, length]))]));
    expect([r!.firstAt / 1e6 - T0, r!.lastAt / 1e6 - T0]).toEqual([-5, -3]);
  });

  it('9 nfdump#36, 10 nfdump#608: without a time that can be read the export stands in, and a fault says so once', () => {
    const c = new Collector();
    const { records } = recording(() =>
      c.send({ bytes: ipfix([set(2, template(256, ENDS)), set(256, ends(), ends())]) }),
    );
    expect(records.map((r) => [r.firstAt, r.lastAt])).toEqual([
      [T0 * 1e6, T0 * 1e6],
      [T0 * 1e6, T0 * 1e6],
    ]);
    expect(c.codes().filter((x) => x === 'NETFLOW_NO_TIME')).toHaveLength(1);
  });

  it('11 pmacct#292: what follows a field of variable length is read where it lies, to the end of the set', () => {
    const fields: Field[] = [
      [8, 4],
      [371, 65_535],
      [12, 4],
      [2, 4],
      [1, 4],
    ];
    const record = (length: Uint8Array, name: number, packets: number): Uint8Array =>
      octets(ip4('10.0.0.1'), length, new Uint8Array(name), ip4('10.0.0.2'), [packets, 4], [500, 4]);
    const records = told(
      ipfix([
        set(2, template(256, fields)),
        set(
          256,
          record(octets([5, 1]), 5, 1),
          record(octets([255, 1], [300, 2]), 300, 2),
          record(octets([0, 1]), 0, 3),
        ),
        set(256, record(octets([1, 1]), 1, 4)),
      ]),
    );
    expect(records.map((r) => [r.ends, r.packets])).toEqual([1, 2, 3, 4].map((n) => ['10.0.0.1:0 > 10.0.0.2:0', n]));
    const c = new Collector().send({
      bytes: ipfix([set(2, template(256, fields)), set(256, ip4('10.0.0.1'), octets([200, 1]), new Uint8Array(30))]),
    });
    expect(c.codes()).toContain('NETFLOW_FIELD');
  });

  it('12 goflow#125, #68: the enterprise number of a field is no field', () => {
    const fields: Field[] = [
      [8, 4],
      [890, 2, 6876],
      [12, 4],
      [1, 4, 29305],
      [2, 4],
      [1, 4],
    ];
    const [r] = told(
      ipfix([
        set(2, template(256, fields)),
        set(256, octets(ip4('10.0.0.1'), [9, 2], ip4('10.0.0.2'), [77, 4], [3, 4], [300, 4])),
      ]),
    );
    expect([r!.packets, r!.bytes, r!.reverse]).toEqual([3, 300, [0, 77]]);
  });

  it('13 vflow#129: an enterprise number of 0 among options keeps its four octets and is nobody’s element', () => {
    const rate = [
      [34, 2],
      [4, 2],
    ] as const;
    const options = octets([300, 2], [3, 2], [1, 2], [149, 2], [4, 2], ...rate, [0x8000 | 34, 2], [4, 2], [0, 4]);
    const records = told(
      ipfix([
        set(3, options),
        set(300, octets([1, 4], [64, 4], [99, 4])),
        set(2, template(256, ENDS)),
        set(256, ends()),
      ]),
    );
    expect(records.map((r) => r.rate)).toEqual([64]);
  });

  it('14 vflow#42: a scope of length zero, and no scope at all, break nothing', () => {
    for (const scopes of [[[1, 0]], []] as Field[][]) {
      const records = told(v9([set(1, optionsV9(300, scopes, [[34, 4]])), set(300, octets([100, 4])), TEMPLATE, DATA]));
      expect(records.map((r) => r.rate)).toEqual([100]);
    }
  });

  it('15 logstash-codec-netflow 4.0.2: zeros behind the last set are no sets', () => {
    const c = new Collector();
    const { records } = recording(() => c.send({ bytes: v9([TEMPLATE, DATA, new Uint8Array(1300)], { count: 2 }) }));
    expect(records).toHaveLength(1);
    expect(c.codes()).toEqual([]);
  });

  it('16 logstash-codec-netflow#134: a template told anew in the middle changes what follows it, not what came before', () => {
    const turned: Field[] = [
      [12, 4],
      [8, 4],
      [2, 4],
      [1, 4],
    ];
    const records = told(
      v9([set(0, template(256, ENDS)), set(256, ends()), set(0, template(256, turned)), set(256, ends())]),
    );
    expect(records.map((r) => r.ends)).toEqual(['10.0.0.1:0 > 10.0.0.2:0', '10.0.0.2:0 > 10.0.0.1:0']);
  });

  it('17 ipfixcol#10: enterprise numbers are read in network order', () => {
    const fields = (enterprise: number): Field[] => [...ENDS, [1, 4, enterprise]];
    const records = [29_305, 0x79720000].flatMap((enterprise) =>
      told(ipfix([set(2, template(256, fields(enterprise))), set(256, ends(), octets([55, 4]))])),
    );
    expect(records.map((r) => r.reverse[1])).toEqual([55, 0]);
  });

  it('18 fastnetmon#695, 40 ipt-netflow#185: a rate that is not told is not known, not one', () => {
    const c = new Collector();
    const { records } = recording(() => c.send({ bytes: v9([TEMPLATE, DATA, DATA]) }));
    expect(records.map((r) => r.rate)).toEqual([0, 0]);
    expect(c.codes()).toEqual([]);
    expect([...c.coverage.keys()]).toEqual(['sampling-unknown']);
    const [flow] = c.closed();
    expect([flow!.packets, c.rates]).toEqual([[2, 0], [0]]);
    // v5's field of zero says nothing either.
    expect(told(v5([{}], { sampling: 0 })).map((r) => r.rate)).toEqual([0]);
  });

  it('40 ipt-netflow#185: the operator’s rate counts where the exporter tells none, and is marked as such', () => {
    const c = new Collector(20);
    c.send({ bytes: v9([TEMPLATE, DATA, DATA]) });
    expect([...c.coverage]).toEqual([['sampling-set', expect.stringMatching(/rates of city\.yaml/)]]);
    expect(c.closed()[0]!.packets).toEqual([40, 0]);
    expect(c.rates).toEqual([20]);
    const own = new Collector(20);
    own.send({ bytes: v5([{}], { sampling: 4 }) });
    expect(own.coverage.size).toBe(0);
    own.closed();
    expect(own.rates).toEqual([4]);
  });
});
