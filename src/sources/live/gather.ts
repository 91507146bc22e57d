// Octets of a stream in large pieces: a capture that is written packet by packet would otherwise be decoded a few packets at
// a time, and what a batch costs besides its rows would be most of the work.
import type { Readable } from 'node:stream';

/** Octets of each half: one is filled from the stream while the other is read. */
const HALF_BYTES = 512 * 1024;
/** So many are handed on at once. */
const ENOUGH_BYTES = 256 * 1024;
/** Fewer wait this long for more. */
const PATIENCE_MILLIS = 10;

/** Pieces of `stream`, each valid until the next is asked for. The stream is held back where nobody reads. @throws what the stream fails with */
export async function* gather(stream: Readable): AsyncGenerator<Uint8Array, void, undefined> {
  let filling = Buffer.allocUnsafe(HALF_BYTES);
  let other = Buffer.allocUnsafe(HALF_BYTES);
  let filled = 0;
  let rest: Buffer | undefined;
  let isEnded = false;
  let failure: Error | undefined;
  let wake: () => void = () => {};
  const take = (chunk: Buffer): void => {
    const taken = chunk.copy(filling, filled);
    filled += taken;
    if (taken < chunk.length) {
      rest = chunk.subarray(taken);
      stream.pause();
    }
    wake();
  };
  const end = (): void => {
    isEnded = true;
    wake();
  };
  stream.on('data', take);
  stream.on('error', (error) => {
    failure = error;
    end();
  });
  stream.once('end', end);
  stream.once('close', end);
  const until = (isDone: () => boolean, millis: number): Promise<void> =>
    new Promise((resolve) => {
      if (isDone()) return resolve();
      const timer = millis === Number.POSITIVE_INFINITY ? undefined : setTimeout(() => wake(), millis);
      const due = performance.now() + millis;
      wake = () => {
        if (!isDone() && performance.now() < due - 1) return;
        clearTimeout(timer);
        wake = () => {};
        resolve();
      };
    });
  try {
    for (;;) {
      await until(() => filled > 0 || isEnded, Number.POSITIVE_INFINITY);
      await until(() => filled >= ENOUGH_BYTES || isEnded, PATIENCE_MILLIS);
      if (filled === 0) break;
      const piece = filling.subarray(0, filled);
      [filling, other] = [other, filling];
      filled = 0;
      if (rest !== undefined) {
        const held = rest;
        rest = undefined;
        take(held);
        if (rest === undefined) stream.resume();
      }
      yield piece;
    }
    if (failure !== undefined) throw failure;
  } finally {
    stream.off('data', take);
  }
}
