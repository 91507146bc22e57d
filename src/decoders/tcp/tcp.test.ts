import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tcp } from '#decoders/tcp';
import { type EventBatch, PacketBatch, type StreamBatch } from '#events';

interface Segment {
  fromClient: boolean;
  sequence: number;
  data: string;
  flags?: number;
}

/** Runs segments through a decoder; gives the text of both directions with holes as `[n]` and ends as `.`. */
function run(segments: readonly Segment[]): { client: string; server: string; faults: string[] } {
  const text = { client: '', server: '' };
  const faults: string[] = [];
  const decoder = tcp.create();
  const sink = {
    emit: (b: EventBatch) => {
      const s = b as StreamBatch;
      const side = s.fromClient ? 'client' : 'server';
      if (s.gapBytes > 0) text[side] += `[${s.gapBytes}]`;
      text[side] += Buffer.from(s.bytes.subarray(s.offset, s.offset + s.length)).toString('latin1');
      if (s.ended) text[side] += '.';
    },
    fault: (code: string) => void faults.push(code),
  };
  for (const [n, s] of segments.entries()) {
    const p = new PacketBatch();
    p.count = 1;
    p.bytes = Uint8Array.from(Buffer.from(`xx${s.data}`, 'latin1'));
    p.at[0] = n;
    p.protocol[0] = 6;
    p.addresses.set([0, 0, 0xffff, s.fromClient ? 1 : 2, 0, 0, 0xffff, s.fromClient ? 2 : 1]);
    p.sourcePort[0] = s.fromClient ? 40000 : 53;
    p.destinationPort[0] = s.fromClient ? 53 : 40000;
    p.tcpSequence[0] = s.sequence;
    p.tcpFlags[0] = s.flags ?? 16;
    p.payloadOffset[0] = 2;
    p.payloadBytes[0] = s.data.length;
    p.payloadCaptured[0] = s.data.length;
    decoder.decode(p, sink);
  }
  return { ...text, faults };
}

const syn: Segment = { fromClient: true, sequence: 99, data: '', flags: 2 };

describe('tcp', () => {
  it('orders segments and drops what was sent twice', () => {
    const { client, faults } = run([
      syn,
      { fromClient: true, sequence: 103, data: 'def' },
      { fromClient: true, sequence: 100, data: 'abc' },
      { fromClient: true, sequence: 101, data: 'XXXXXg' },
    ]);
    expect(client).toBe('abcdefg');
    expect(faults).toEqual([]);
  });

  it('arkime#4024: goes on across the wrap of the sequence number', () => {
    expect(
      run([
        { fromClient: true, sequence: 0xfffffffe, data: 'abcd' },
        { fromClient: true, sequence: 2, data: 'ef' },
      ]).client,
    ).toBe('abcdef');
  });

  it('dnscap#88: starts in mid-stream, from either side', () => {
    const both = run([
      { fromClient: false, sequence: 500, data: 'answer' },
      { fromClient: true, sequence: 7, data: 'ask' },
    ]);
    expect(both).toMatchObject({ client: 'ask', server: 'answer' });
  });

  it('a hole is told when the connection ends, and what came after it is kept', () => {
    const { client, faults } = run([
      syn,
      { fromClient: true, sequence: 100, data: 'ab' },
      { fromClient: true, sequence: 105, data: 'f' },
      { fromClient: true, sequence: 106, data: '', flags: 17 },
    ]);
    expect(client).toBe('ab[3]f.');
    expect(faults).toEqual(['TCP_GAP']);
  });

  it('a new SYN with another number is a new connection', () => {
    expect(
      run([
        syn,
        { fromClient: true, sequence: 100, data: 'old' },
        { fromClient: true, sequence: 5000, data: '', flags: 2 },
        { fromClient: true, sequence: 5001, data: 'new' },
      ]).client,
    ).toBe('old.new');
  });

  it('any order of the segments of a stream gives the stream', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 60, unit: 'binary-ascii' }),
        fc.array(fc.nat(59), { maxLength: 8 }),
        fc.integer(),
        fc.nat(0xffffffff),
        (stream, cuts, seed, start) => {
          const edges = [...new Set([0, ...cuts.filter((c) => c < stream.length), stream.length])].sort(
            (a, b) => a - b,
          );
          const pieces: Segment[] = [];
          for (let i = 0; i + 1 < edges.length; i++)
            pieces.push({
              fromClient: true,
              sequence: (start + edges[i]!) >>> 0,
              data: stream.slice(edges[i], edges[i + 1]),
            });
          let s = seed >>> 0;
          for (let i = pieces.length - 1; i > 0; i--) {
            s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
            const j = s % (i + 1);
            [pieces[i], pieces[j]] = [pieces[j]!, pieces[i]!];
          }
          expect(run([{ fromClient: true, sequence: (start - 1) >>> 0, data: '', flags: 2 }, ...pieces]).client).toBe(
            stream,
          );
        },
      ),
      { numRuns: 500, seed: 5 },
    );
  });

  it('10^5 hostile segments: no throw, bounded', () => {
    const decoder = tcp.create();
    let state = 99;
    const random = (n: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % n;
    };
    const p = new PacketBatch();
    p.count = 1;
    p.bytes = new Uint8Array(1500);
    p.protocol[0] = 6;
    for (let n = 0; n < 100_000; n++) {
      p.at[0] = n;
      p.addresses.set([0, 0, 0xffff, random(300), 0, 0, 0xffff, random(300)]);
      p.sourcePort[0] = random(2) === 0 ? 53 : random(65536);
      p.destinationPort[0] = 53;
      p.tcpSequence[0] = random(2) === 0 ? random(0xffffff) * 256 : random(100_000);
      p.tcpFlags[0] = random(32);
      p.payloadBytes[0] = random(1500);
      p.payloadCaptured[0] = random(p.payloadBytes[0]! + 1);
      decoder.decode(p, { emit: () => {}, fault: () => {} });
    }
    expect(decoder.shed).toBeGreaterThan(0);
  });
});
