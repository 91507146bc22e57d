import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { netflow } from '#decoders/netflow';
import { type EventBatch, PacketBatch } from '#events';
import { Drip, drain } from '../lines/testing.ts';
import { isHeader } from './columns.ts';
import { nfdump } from './index.ts';
import { bidirectional, header, oneWay, turned } from './printed.ts';
import { byEnds, type Read, readTexts, type Told } from './testing.ts';
import { expected, T0 } from './traffic.ts';

const read = (...texts: string[]): Promise<Read> => readTexts(nfdump, netflow.create(), texts);
const short = (f: Told): unknown => [f.ends, f.protocol, f.state, f.packets, f.bytes];
const codes = (r: Read): string[] => r.faults.map((f) => `${f.code} ${f.line}`);
/** Exporters that don't say whether they sample: what every file says once. */

/** The columns that `-o csv` has in later versions. */
const late = 'firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,bps,bpp,flows';
const query = '2023-11-14 22:13:25.000,0.000,17,192.0.2.10,40000,198.51.100.7,53,1,68,0,68,1';
const answer = '2023-11-14 22:13:25.020,0.000,17,198.51.100.7,53,192.0.2.10,40000,1,148,0,148,1';

/** A whole-second time leaves nothing to tell by which of two ports that look alike was first. */
const byGuess = expected.map(([ends, ...rest]) =>
  ends === '192.0.2.10 6000 198.51.100.7 7000' ? ['198.51.100.7 7000 192.0.2.10 6000', ...rest] : [ends, ...rest],
);

describe('nfdump -o csv', () => {
  it('rows of one direction become the flows that were sent', async () => {
    const r = await read(oneWay);
    expect(
      r.flows
        .filter((f) => f.protocol !== 132)
        .map(short)
        .sort(),
    ).toEqual([...byGuess].sort());
    expect(codes(r)).toEqual([]);
    expect(r.flows.find((f) => f.protocol === 132)).toMatchObject({ packets: [1, 0], bytes: [52, 0] });
  });
  it('times are UTC to the second, the duration to the millisecond; evidence is the line; the rate is not known', async () => {
    const web = (await read(oneWay)).flows.find((f) => f.ends.endsWith(' 443'))!;
    expect(web).toMatchObject({ firstAt: T0 * 1e6, lastAt: T0 * 1e6 + 330_000, line: 14, rate: 0, service: 1 });
  });
  it.each([
    ['-b', bidirectional],
    ['-B', turned],
  ])('rows of both directions (%s) give the same', async (_, text) => {
    const r = await read(text);
    // The flags are the server's, who sent no reset.
    const same = byGuess.map(([ends, protocol, state, ...rest]) => [
      ends,
      protocol,
      state === 'RSTO' ? 'S1' : state,
      ...rest,
    ]);
    expect(
      r.flows
        .filter((f) => f.protocol !== 132)
        .map(short)
        .sort(),
    ).toEqual(same.sort());
    expect(codes(r)).toEqual([]);
  });
  it('is the same in any chunks, and in any order of columns', async () => {
    const whole = await read(oneWay);
    expect(await readTexts(nfdump, netflow.create(), [oneWay], 11)).toEqual(whole);
    const backwards = oneWay.replace(/^.*,.*$/gm, (line) => line.split(',').reverse().join(','));
    expect((await read(backwards)).flows).toEqual(whole.flows);
  });
  it('two directions meet that stand in two files', async () => {
    const lines = oneWay.split('\n');
    const part = (rows: string[]): string => [header, ...rows, ''].join('\n');
    const r = await read(part(lines.slice(1, 10)), part(lines.slice(10, 23)));
    expect(r.flows.map(short).sort()).toEqual((await read(oneWay)).flows.map(short).sort());
    expect(r.faults.map((f) => f.code)).toEqual([]);
  });
  it('outputs one behind the other are read, whatever summaries stand between them', async () => {
    const text = `${oneWay}Time window: 2023-11-14 22:13:20 - 2023-11-14 22:13:30\nSys: 0.01s\n${late}\n${query}\n`;
    const r = await read(text);
    expect(codes(r)).toEqual([]);
    expect(
      r.flows.filter((f) => f.ends.endsWith(' 53') && f.protocol === 17 && !f.ends.includes(':')).map(short),
    ).toEqual([['192.0.2.10 40000 198.51.100.7 53', 17, 'SF', [2, 1], [136, 148]]]);
  });
  it('knows nothing of no flows', async () => {
    const r = await read(
      `${header}\nNo matching flows\nSummary\nflows,bytes,packets,avg_bps,avg_pps,avg_bpp\n0,0,0,0,0,0\n`,
    );
    expect(r).toEqual({ flows: [], faults: [] });
  });
});

describe('the formats after it', () => {
  it('firstSeen and duration', async () => {
    const [flow] = (await read(`${late}\n${query}\n${answer}\n`)).flows;
    expect(flow).toMatchObject({
      ends: '192.0.2.10 40000 198.51.100.7 53',
      packets: [1, 1],
      bytes: [68, 148],
      firstAt: (T0 + 5) * 1e6,
      lastAt: (T0 + 5) * 1e6 + 20_000,
    });
  });
  it('csv-fast: milliseconds; ICMP as type * 256 + code', async () => {
    const fast = `cnt,af,firstSeen,lastSeen,proto,srcAddr,srcPort,dstAddr,dstPort,srcAS,dstAS,input,output,flags,srcTos,packets,bytes
1,2,1700000007000,1700000007250,1,192.0.2.10,0,198.51.100.7,2048,0,0,0,0,........,0,3,252
2,10,1700000009000,1700000009210,6,2001:db8::10,50010,2001:db8:1::7,80,0,0,0,0,...AP.SF,0,3,270
`;
    const r = await read(fast);
    expect(r.flows.sort(byEnds).map((f) => [short(f), f.firstAt, f.lastAt])).toEqual([
      [['192.0.2.10 8 198.51.100.7 8', 1, 'S0', [3, 0], [252, 0]], 1_700_000_007_000_000, 1_700_000_007_250_000],
      [
        ['2001:db8::10 50010 2001:db8:1::7 80', 6, 'SH', [3, 0], [270, 0]],
        1_700_000_009_000_000,
        1_700_000_009_210_000,
      ],
    ]);
  });
  it('seconds since 1970, padded cells as -o fmt: prints them, and ICMP as type.code', async () => {
    const rows = `firstSeen,lastSeen,received,proto,flags,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,outPackets,outBytes,direction,routerIP
1700000007.010,1700000007.010,1795667566.498,1    ,........,                           198.51.100.7,     0,                             192.0.2.10,   0.0,       1,      84,       0,       0,  I,                                0.0.0.0
1700000000.000,1700000000.030,1795667566.498,6    ,...AP.SF,                             192.0.2.10, 50000,                           198.51.100.7,   443,       5,     400,       0,       0,  I,                                0.0.0.0
`;
    expect((await read(rows)).flows.sort(byEnds).map((f) => [f.ends, f.packets, f.firstAt])).toEqual([
      ['192.0.2.10 50000 198.51.100.7 443', [5, 0], T0 * 1e6],
      ['192.0.2.10 8 198.51.100.7 8', [0, 1], T0 * 1e6 + 7_010_000],
    ]);
  });
  it('ingress and egress of one device count once; two devices are two flows', async () => {
    const head = `${late},direction,routerIP`;
    const at = (direction: string, router: string): string => `${query},${direction},${router}`;
    const one = await read(`${head}\n${at('I', '192.0.2.1')}\n${at('E', '192.0.2.1')}\n`);
    expect(one.flows.map((f) => f.packets)).toEqual([[1, 0]]);
    const two = await read(`${head}\n${at('I', '192.0.2.1')}\n${at('I', '2001:db8::1')}\n`);
    expect(two.flows.map((f) => f.packets)).toEqual([
      [1, 0],
      [1, 0],
    ]);
  });
  it('a row is known of when the collector had it; a file made later does not move that', async () => {
    const at = async (received: string): Promise<number> => {
      const reader = new Drip(`${late},received\n${query},${received}\n`, 1 << 16);
      return (await nfdump.open(reader, 'x').peekAt()) - (T0 + 5) * 1e6;
    };
    expect(await at('2023-11-14 22:13:40.125')).toBe(15_125_000);
    expect(await at('2026-11-26 04:32:46.498')).toBe(0);
    expect(await at('2023-11-14 22:13:24.999')).toBe(0);
    expect(await at('0000-00-00 00:00:00.000')).toBe(0);
  });
});

describe('tunnels', () => {
  it('the line above the flow that travels in one tells nothing', async () => {
    const rows = `ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt
2023-11-14 22:13:31,2023-11-14 22:13:40,9.009,0.0.0.0,0.0.0.0,0,0,IPIP,........,0,0,0,0,0,0
2023-11-14 22:13:31,2023-11-14 22:13:40,9.009,192.0.2.10,192.0.2.20,62367,17000,UDP,........,0,0,2,256,0,0
`;
    expect((await read(rows)).flows.map(short)).toEqual([
      ['192.0.2.10 62367 192.0.2.20 17000', 17, 'S0', [2, 0], [256, 0]],
    ]);
  });
});

describe('rows of both directions', () => {
  const head = `${late},flags,outPackets,outBytes`;
  const row = (from: string, to: string, counts: readonly number[], flags: string): string =>
    `2023-11-14 22:13:20.000,0.5,6,${from},${to},${counts[0]},${counts[1]},0,0,1,${flags},${counts[2]},${counts[3]}`;
  const client = '192.0.2.10,50000';
  const web = '198.51.100.7,443';
  it.each([
    [
      'a SYN alone is of who began, whatever the ports',
      web,
      client,
      [1, 40, 1, 40],
      '......S.',
      '198.51.100.7 443 192.0.2.10 50000',
      'REJ',
    ],
    [
      'a scanner resets what answers',
      client,
      web,
      [2, 80, 1, 44],
      '.....RS.',
      '192.0.2.10 50000 198.51.100.7 443',
      'RSTO',
    ],
    [
      'a refusal that was exported first',
      web,
      client,
      [1, 40, 1, 40],
      '...A.R..',
      '192.0.2.10 50000 198.51.100.7 443',
      'REJ',
    ],
    [
      'a connection that was over',
      web,
      client,
      [7, 6280, 5, 400],
      '...AP.SF',
      '192.0.2.10 50000 198.51.100.7 443',
      'SF',
    ],
    [
      'an answer in one packet',
      '198.51.100.7,50001',
      client,
      [1, 40, 3, 120],
      '...A..S.',
      '192.0.2.10 50000 198.51.100.7 50001',
      'S1',
    ],
    [
      'a lone answer that -B has turned',
      client,
      web,
      [0, 0, 4, 900],
      '...AP...',
      '192.0.2.10 50000 198.51.100.7 443',
      'OTH',
    ],
    [
      'a lone SYN with ACK that -B has turned is no connection',
      client,
      web,
      [0, 0, 1, 44],
      '...A..S.',
      '192.0.2.10 50000 198.51.100.7 443',
      'OTH',
    ],
  ] as const)('%s', async (_, from, to, counts, flags, ends, state) => {
    const r = await read(`${head}\n${row(from, to, counts, flags)}\n`);
    expect(r.flows.map((f) => [f.ends, f.state])).toEqual([[ends, state]]);
    const [source, sourceBytes, destination, destinationBytes] = counts;
    const isTurned = !ends.startsWith(from.split(',')[0]!);
    expect(r.flows[0]!.packets).toEqual(isTurned ? [destination, source] : [source, destination]);
    expect(r.flows[0]!.bytes).toEqual(isTurned ? [destinationBytes, sourceBytes] : [sourceBytes, destinationBytes]);
  });
});

describe('what can not be read', () => {
  it.each([
    ['NFDUMP_TIME', 'yesterday,0.000,17,192.0.2.10,1,192.0.2.11,2,1,68,0,68,1'],
    ['NFDUMP_TIME', '2023-02-29 00:00:00.000,0.000,17,192.0.2.10,1,192.0.2.11,2,1,68,0,68,1'],
    ['NFDUMP_TIME', '2023-11-14 24:00:00.000,0.000,17,192.0.2.10,1,192.0.2.11,2,1,68,0,68,1'],
    ['NFDUMP_TIME', '0000-00-00 00:00:00.000,0.000,17,192.0.2.10,1,192.0.2.11,2,1,68,0,68,1'],
    ['NFDUMP_ADDRESS', query.replace('192.0.2.10', '192.0.2.256')],
    ['NFDUMP_ADDRESS', query.replace('198.51.100.7', '2001:db8..:17')],
    ['NFDUMP_ADDRESS', query.replace('198.51.100.7', '198.51.0100.7')],
    ['NFDUMP_FIELD', query.replace(',53,', ',65536,')],
    ['NFDUMP_FIELD', query.replace(',53,', ',8.,')],
    ['NFDUMP_FIELD', query.replace(',1,68,', ',1,1.2 M,')],
    ['NFDUMP_FIELD', query.replace(',1,68,', ',-1,68,')],
    ['NFDUMP_PROTOCOL', query.replace(',17,', ',0,')],
    ['NFDUMP_PROTOCOL', query.replace(',17,', ',any,')],
    ['NFDUMP_PROTOCOL', query.replace(',17,', ',256,')],
    ['NFDUMP_CELLS', query.slice(0, 60)],
  ])('%s: the row is left out, the others stand', async (code, bad) => {
    const r = await read(`${late}\n${query}\n${bad}\n${answer}\n`);
    expect(codes(r)).toEqual([`${code} 3`]);
    expect(r.flows.map((f) => f.packets)).toEqual([[1, 1]]);
  });
  it('a header that lacks a column: its rows are passed over, once told', async () => {
    for (const name of ['firstSeen', 'proto', 'srcAddr', 'srcPort', 'dstAddr', 'dstPort', 'packets', 'bytes'])
      expect(await read(`${late.replace(name, 'other')}\n${query}\n${answer}\n`), name).toEqual({
        flows: [],
        faults: [{ code: 'NFDUMP_COLUMNS', line: 1 }],
      });
    const top =
      'ts,te,td,pr,val,fl,flP,pkt,pktP,byt,bytP,pps,bps,bpp\n2023-11-14 22:13:20,2023-11-14 22:13:30,9.6,any,192.0.2.10,15,50,20,50,900,40,1,2,45\n';
    expect(codes(await read(`${top}${late}\n${query}\n`))).toEqual(['NFDUMP_COLUMNS 1']);
  });
  it('rows without a header (-q)', async () => {
    expect(codes(await read(`${query}\n${answer}\n`))).toEqual(['NFDUMP_HEADER 1', 'NFDUMP_HEADER 2']);
  });
  it('every code has its text', () => {
    for (const code of ['HEADER', 'COLUMNS', 'CELLS', 'TIME', 'ADDRESS', 'PROTOCOL', 'FIELD', 'LINE_LENGTH'])
      expect(nfdump.card.faults[`NFDUMP_${code}`]?.lost.length, code).toBeGreaterThan(2);
    expect(Object.keys(nfdump.card.faults)).toHaveLength(8);
  });
});

describe('probe', () => {
  const probes = (text: string): boolean => nfdump.probe(Buffer.from(text, 'latin1'), 'x');
  it('knows both generations of headers, behind what nfdump says first', () => {
    for (const text of [
      oneWay,
      `${late}\n`,
      `\ufeff${late}\n`.replace('\ufeff', '\xef\xbb\xbf'),
      `Aggregated flows 3\n${late}\r\n`,
    ])
      expect(probes(text.slice(0, 4096))).toBe(true);
  });
  it('leaves other tables and logs alone', () => {
    for (const text of [
      '',
      'time,client,query\n1,2,3\n',
      'ts,uid\n',
      '#separator \\x09\n',
      '{"ts":1}\n',
      `${query}\n`,
      'src,dst,bytes,packets\n',
    ])
      expect(probes(text), text).toBe(false);
    expect(isHeader(query)).toBe(false);
  });
});

describe('for any text', () => {
  it('ten thousand mutated rows: no throw, no hang, bounded rows, a fault for each that is left out', {
    timeout: 30_000,
  }, async () => {
    let seed = 12_345;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    const rows = [...oneWay.split('\n'), ...bidirectional.split('\n'), late, query, answer].filter((l) => l !== '');
    const marks = [',', '.', ':', '-', ' ', '9', '\x00', '\xff', 'Summary', late, '1e9', '0x1b', '\n'];
    const lines = Array.from({ length: 10_000 }, () => {
      let line = rows[random(rows.length)]!;
      for (let k = random(3); k >= 0; k--) {
        const at = random(line.length + 1);
        const cut = random(3) === 0 ? random(40) : random(2);
        line = line.slice(0, at) + (random(4) === 0 ? '' : marks[random(marks.length)]!) + line.slice(at + cut);
      }
      return line;
    });
    // Each header anew: a mutation of one must not end the rest.
    const text = lines.map((line, i) => (i % 10 === 0 ? `${header}\n${line}` : line)).join('\n');
    const r = await read(text);
    expect(r.flows.length).toBeGreaterThan(100);
    const own = r.faults.filter((f) => f.code.startsWith('NFDUMP_'));
    expect(new Set(own.map((f) => f.code)).size).toBeGreaterThanOrEqual(6);
    for (const f of own) expect(Object.keys(nfdump.card.faults)).toContain(f.code);
    // What is made of a row is always a message that can be read.
    expect(r.faults.filter((f) => !f.code.startsWith('NFDUMP_'))).toEqual([]);
    for (const f of r.flows)
      for (const n of [...f.packets, ...f.bytes, f.firstAt, f.lastAt]) expect(n).toBeGreaterThanOrEqual(0);
  });
  it('any text ends', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 300 }), fc.boolean(), async (text, isHeaded) => {
        await drain(nfdump.open(new Drip(Buffer.from(isHeaded ? `${late}\n${text}` : text), 64), 'x'));
      }),
      { numRuns: 500 },
    );
  });
  it('counts beyond 32 bits, any addresses and ports come through whole', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.ipV6(),
        fc.ipV4(),
        fc.integer({ min: 1, max: 2 ** 48 }),
        fc.integer({ min: 0, max: 65_535 }),
        async (six, four, bytes, port) => {
          const rows = [
            `1,0,47,${six},0,${six},0,7,${bytes},0,0,1`,
            `1,0,132,${four},${port},${four},9,7,${bytes},0,0,1`,
          ];
          const r = await read(`${late}\n${rows.join('\n')}\n`);
          expect(r.faults.map((f) => f.code)).toEqual([]);
          expect(r.flows.map((f) => f.bytes[0] + f.bytes[1])).toEqual([bytes, bytes]);
        },
      ),
      { numRuns: 200 },
    );
  });
  it('a batch lends whole messages, one a row, within its octets', async () => {
    let rows = 0;
    const source = nfdump.open(new Drip(`${late}\n${`${query}\n`.repeat(3000)}`, 1 << 16), 'x');
    const sink = {
      emit: (b: EventBatch): void => {
        expect(b).toBeInstanceOf(PacketBatch);
        if (!(b instanceof PacketBatch)) return;
        rows += b.count;
        for (let i = 0; i < b.count; i++) {
          const at = b.payloadOffset[i]!;
          expect((b.bytes[at + 2]! << 8) | b.bytes[at + 3]!).toBe(b.payloadCaptured[i]);
          expect(at + b.payloadCaptured[i]!).toBeLessThanOrEqual(b.bytes.length);
          expect(b.parts[i]).toBe(0);
        }
      },
      fault: (): void => {},
    };
    while (await source.pull(Number.POSITIVE_INFINITY, sink));
    expect(rows).toBe(3000);
  });
});
