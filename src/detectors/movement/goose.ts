// GOOSE control blocks and their last message: a state number never falls, and a block has one publisher (IEC 61850-8-1, 18.1.2.5).
import type { OperationBatch } from '#events';
import { addressHash } from '#lib/address';
import { BoundedMap } from '../bounded-map.ts';
import type { Signed } from '../growing.ts';
import { type SignName, signed } from './plant-signs.ts';

/** A publisher silent this long may have been started anew (IEC 61850-8-1, 18.1.2.5: stNum 1 after a start). */
const SILENT_MICROS = 600e6;

interface Block {
  stNum: number;
  sqNum: number;
  at: number;
  publisher: number;
}

export class Goose extends BoundedMap<number, Block> {
  /** @returns what is wrong with the message, by what the block's last one said */
  judge(key: number, batch: OperationBatch, i: number): Signed[] {
    const at = batch.at[i]!;
    const stNum = batch.objectNumber[i]!;
    const sqNum = batch.objectCount[i]!;
    const publisher = addressHash(batch.addresses, 8 * i);
    const before = this.get(key);
    if (before === undefined) {
      this.add(key, { stNum, sqNum, at, publisher });
      return [];
    }
    const reasons: Signed[] = [];
    const say = (sign: SignName, text: string): void => void reasons.push(signed(sign, text));
    const silent = at - before.at >= SILENT_MICROS;
    if (publisher !== before.publisher && !silent)
      say('goosePublisher', 'another station publishes the same control block');
    // After a start a publisher counts from one again (IEC 61850-8-1, 18.1.2.5).
    const started = stNum <= 1 && sqNum <= 1 && (stNum < before.stNum || sqNum < before.sqNum);
    if (silent) {
      // It may have been started anew unseen.
    } else if (started) say('gooseRestart', `stNum and sqNum begin anew after ${before.stNum}, as after a start`);
    else if (stNum < before.stNum)
      say('gooseFell', `stNum fell from ${before.stNum} to ${stNum}, which no publisher does`);
    else if (stNum === before.stNum && sqNum < before.sqNum && sqNum !== 0)
      say('gooseRepeat', `sqNum fell from ${before.sqNum} to ${sqNum} in one state: an old message`);
    // A forged state must not become the measure of the true ones.
    if (reasons.length === 0 || stNum > before.stNum || silent || started) {
      before.stNum = stNum;
      before.sqNum = sqNum;
      before.publisher = publisher;
    }
    before.at = at;
    return reasons;
  }
}

export function blockOf(batch: OperationBatch, i: number): number {
  return hash(batch.bytes, batch.objectOffset[i]!, batch.objectBytes[i]!) * 0x10000 + batch.unit[i]!;
}

function hash(b: Uint8Array, at: number, length: number): number {
  let h = 0x811c9dc5;
  for (let i = at; i < at + length; i++) h = Math.imul(h ^ b[i]!, 0x01000193);
  return h >>> 0;
}
