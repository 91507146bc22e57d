import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gather } from './gather.ts';

async function all(stream: PassThrough): Promise<{ bytes: Buffer; pieces: number }> {
  const parts: Buffer[] = [];
  for await (const piece of gather(stream)) parts.push(Buffer.from(piece));
  return { bytes: Buffer.concat(parts), pieces: parts.length };
}

describe('gather', () => {
  it('gives the same octets however they come in', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 400_000 }), { maxLength: 12 }), async (sizes) => {
        const chunks = sizes.map((size, i) => Buffer.alloc(size, i + 1));
        const stream = new PassThrough();
        void (async () => {
          for (const [i, chunk] of chunks.entries()) {
            stream.write(chunk);
            if (i % 3 === 0) await sleep(0);
          }
          stream.end();
        })();
        expect((await all(stream)).bytes.equals(Buffer.concat(chunks))).toBe(true);
      }),
      { numRuns: 40, seed: 9 },
    );
  });

  it('makes few pieces of many', async () => {
    const stream = new PassThrough({ highWaterMark: 1e6 });
    for (let i = 0; i < 5000; i++) stream.write(Buffer.alloc(100, i));
    stream.end();
    const { bytes, pieces } = await all(stream);
    expect(bytes.length).toBe(500_000);
    expect(pieces).toBeLessThanOrEqual(3);
  });

  it('gives what came before a failure, then fails', async () => {
    const stream = new PassThrough();
    const pieces = gather(stream);
    stream.write('before');
    expect(Buffer.from((await pieces.next()).value!).toString()).toBe('before');
    stream.destroy(new Error('broken'));
    await expect(pieces.next()).rejects.toThrow('broken');
  });

  it('holds the stream back where nobody reads', async () => {
    const stream = new PassThrough({ highWaterMark: 1000 });
    const pieces = gather(stream);
    stream.write(Buffer.alloc(10));
    await pieces.next();
    for (let i = 0; i < 40; i++) stream.write(Buffer.alloc(50_000));
    await sleep(20);
    expect(stream.writableLength + stream.readableLength).toBeGreaterThan(1e6);
    stream.end();
    let rest = 0;
    for await (const piece of pieces) rest += piece.length;
    expect(rest).toBe(2_000_000);
  });
});
