// The table at its capacity, and broken frames by the hundred thousand through ip and flow together.
import { describe, expect, it } from 'vitest';
import { ip } from '#decoders/ip';
import { type EventBatch, FlowBatch, FlowPhase, FrameBatch, type Sink } from '#events';
import { flow } from './flow.ts';
import { FlowTable, ROWS_MAX } from './table.ts';
import { packetBatch } from './testing.ts';

/** A stream of numbers that is the same each time. */
function numbers(seed: number): (below: number) => number {
  let s = seed >>> 0;
  return (below) => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return Math.floor((s / 2 ** 32) * below);
  };
}

describe('the table', () => {
  it('grows, and finds every flow from both sides, also after many were removed', () => {
    const t = new FlowTable();
    const count = 40_000;
    const words = new Uint32Array(8);
    const set = (i: number, turned: boolean): void => {
      const a = turned ? 4 : 0;
      words[2] = words[6] = 0xffff;
      words[3 + a] = 0x0a000000 + (i % 250);
      words[7 - a] = 0x0a010000 + i;
    };
    const rows = new Map<number, number>();
    for (let i = 0; i < count; i++) {
      set(i, false);
      const row = t.insert(t.hashOf(words, 0, i & 0xffff, 80, 6, 0));
      t.addresses.set(words, 8 * row);
      t.originatorPort[row] = i & 0xffff;
      t.responderPort[row] = 80;
      t.protocol[row] = 6;
      t.vlan[row] = 0;
      t.number[row] = i + 1;
      rows.set(i, row);
      if (i % 3 === 2) {
        t.remove(rows.get(i - 1)!);
        rows.delete(i - 1);
      }
    }
    expect(t.live).toBe(rows.size);
    let wrong = 0;
    for (let i = 0; i < count; i++)
      for (const turned of [false, true]) {
        set(i, turned);
        const [from, to] = turned ? [80, i & 0xffff] : [i & 0xffff, 80];
        const row = t.find(t.hashOf(words, 0, from, to, 6, 0), words, 0, from, to, 6, 0);
        if (row !== (rows.get(i) ?? -1) || (row >= 0 && t.forward === turned)) wrong += 1;
      }
    expect(wrong).toBe(0);
  });

  it('holds a million flows in less than 240 MB', () => {
    const t = new FlowTable();
    for (let i = 0; i < ROWS_MAX; i++) {
      const row = t.insert(Math.imul(i, 0x9e3779b1) >>> 0);
      t.number[row] = i + 1;
    }
    expect(t.insert(1)).toBe(-1);
    const octets = Object.values(t).reduce((sum, v) => sum + (ArrayBuffer.isView(v) ? v.byteLength : 0), 0);
    // Besides the columns there is the index, two words a row.
    expect(octets + 8 * ROWS_MAX).toBeLessThan(240e6);
  });

  it('full: one flow in, one of the idlest out, closed and counted as shed; no packet is lost', () => {
    const decoder = flow.create();
    const more = 2000;
    let opened = 0;
    let closed = 0;
    let packets = 0;
    let youngestShedAt = 0;
    let full = false;
    const sink: Sink = {
      emit: (b: EventBatch) => {
        if (!(b instanceof FlowBatch)) return;
        for (let i = 0; i < b.count; i++) {
          if (b.phase[i] === FlowPhase.Open) opened += 1;
          if (b.phase[i] !== FlowPhase.Close) continue;
          closed += 1;
          packets += b.originatorPackets[i]! + b.responderPackets[i]!;
          if (!full) youngestShedAt = Math.max(youngestShedAt, b.lastAt[i]!);
        }
      },
      fault: () => {},
    };
    const batch = packetBatch(Array.from({ length: 1000 }, () => ({ protocol: 17, fromPort: 9, toPort: 5353 })));
    const total = ROWS_MAX + more;
    for (let from = 0; from < total; from += 1000) {
      batch.count = Math.min(1000, total - from);
      for (let i = 0; i < batch.count; i++) {
        batch.addresses[8 * i + 3] = from + i;
        batch.at[i] = 1.7e15 + from + i;
      }
      decoder.decode(batch, sink);
    }
    expect([opened, closed, decoder.shed]).toEqual([total, more, more]);
    // The hand goes over the table from the oldest rows: what was shed is old.
    expect(youngestShedAt).toBeLessThan(1.7e15 + 40 * more);
    full = true;
    decoder.end(sink);
    expect([closed, packets]).toEqual([total, total]);
  });
});

describe('broken frames', () => {
  /** Sound frames of every shape the two decoders know: what is mutated starts close to the truth. */
  function seeds(): Uint8Array[] {
    const ethernet = (type: number): number[] => [...Array<number>(12).fill(2), type >> 8, type & 255];
    const v4 = (protocol: number, rest: number[], flags = 0): number[] => {
      const total = 20 + rest.length;
      const addresses = [10, 0, 0, 1, 10, 0, 0, 2];
      return [
        0x45,
        0,
        total >> 8,
        total & 255,
        0,
        1,
        flags >> 8,
        flags & 255,
        64,
        protocol,
        0,
        0,
        ...addresses,
        ...rest,
      ];
    };
    const v6 = (next: number, rest: number[]): number[] => [
      ...[0x60, 0, 0, 0, rest.length >> 8, rest.length & 255, next, 64],
      ...Array<number>(32).fill(0x20),
      ...rest,
    ];
    const tcp = (flags: number, payload: number[]): number[] => [
      ...[0x9c, 0x40, 1, 0xbb, 0, 0, 0, 9, 0, 0, 0, 0, 0x50, flags, 1, 0, 0, 0, 0, 0],
      ...payload,
    ];
    const udp = (payload: number[]): number[] => [0x9c, 0x40, 0, 53, 0, 8 + payload.length, 0, 0, ...payload];
    const hello = [22, 3, 1, 0, 60, 1, 0, 0, 56, 3, 3, ...Array<number>(32).fill(7), 0, 0, 2, 19, 1, 1, 0];
    const sni = [0, 15, 0, 0, 0, 11, 0, 9, 0, 0, 6, ...Buffer.from('a.test')];
    const http = [...Buffer.from('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n')];
    const list = [
      [...ethernet(0x0800), ...v4(6, tcp(2, []))],
      [...ethernet(0x0800), ...v4(6, tcp(24, [...hello, ...sni]))],
      [...ethernet(0x0800), ...v4(6, tcp(24, http))],
      [...ethernet(0x0800), ...v4(6, tcp(24, [...Buffer.from('CONNECT a.test:1 HTTP/1.1\r\n\r\n')]))],
      [...ethernet(0x0800), ...v4(17, udp([1, 2, 3]))],
      [...ethernet(0x0800), ...v4(17, udp([1, 2, 3]), 0x2001)],
      [...ethernet(0x0800), ...v4(1, [8, 0, 0, 0, 0, 1, 0, 1])],
      [...ethernet(0x86dd), ...v6(6, tcp(18, []))],
      [...ethernet(0x86dd), ...v6(0, [44, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0, 1, 0, 0, 0, 1, ...tcp(2, [])])],
      [...ethernet(0x86dd), ...v6(58, [128, 0, 0, 0, 0, 1, 0, 1])],
      [...ethernet(0x8100).slice(0, 14), 0, 7, 8, 0, ...v4(132, tcp(0, [0, 0, 0, 4]))],
    ];
    return list.map((bytes) => Uint8Array.from(bytes));
  }

  it('10^5 mutations: no throw, every packet row is in a closed flow, nothing negative', () => {
    const random = numbers(7);
    const all = seeds();
    const link = ip.create();
    const decoder = flow.create();
    let rows = 0;
    let packets = 0;
    let wrong = 0;
    let names = 0;
    const sink: Sink = {
      emit: (b: EventBatch) => {
        if (b.kind === 'packet') {
          rows += b.count;
          decoder.decode(b, sink);
        } else if (b.kind === 'flow')
          for (let i = 0; i < b.count; i++) {
            if (b.nameBytes[i]! > 0) names += 1;
            if (b.nameOffset[i]! + b.nameBytes[i]! > b.bytes.length || b.nameBytes[i]! < 0) wrong += 1;
            if (b.lastAt[i]! < b.firstAt[i]! || b.originatorPayloadBytes[i]! < 0 || b.responderPayloadBytes[i]! < 0)
              wrong += 1;
            if (b.originatorPayloadDelta[i]! < 0 || b.responderPayloadDelta[i]! < 0) wrong += 1;
            if (b.phase[i] === FlowPhase.Close) packets += b.originatorPackets[i]! + b.responderPackets[i]!;
          }
      },
      fault: () => {},
    };
    const frames = new FrameBatch();
    frames.bytes = new Uint8Array(1000 * 200);
    for (let round = 0; round < 100; round++) {
      let end = 0;
      for (let i = 0; i < 1000; i++) {
        const seed = all[random(all.length)]!;
        frames.bytes.set(seed, end);
        let length = seed.length;
        for (let k = random(4); k >= 0; k--) frames.bytes[end + random(length)] = random(256);
        if (random(4) === 0) length = random(length + 1);
        frames.at[i] = 1.7e15 + round * 1e6 + random(2e6);
        frames.place[i] = 1000 * round + i + 1;
        frames.offset[i] = end;
        frames.length[i] = length;
        frames.wireLength[i] = random(5) === 0 ? length + random(100) : length;
        frames.linkType[i] = 1;
        end += length;
      }
      frames.count = 1000;
      link.decode(frames, sink);
      decoder.advance(1.7e15 + round * 1e6, sink);
    }
    decoder.end(sink);
    expect(wrong).toBe(0);
    expect(rows).toBeGreaterThan(30_000);
    expect(packets).toBe(rows);
    // Some got through whole: the mutations were not all fatal.
    expect(names).toBeGreaterThan(100);
  }, 15_000);
});
