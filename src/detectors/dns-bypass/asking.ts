// Who asks for names, and which addresses answers named: bounded tables by client, and by client and address.
import { ANSWER_ADDRESSES_MAX, type DnsBatch } from '#events';
import { addressHash } from '#lib/address';
import { PairTable } from '#lib/table';
import calibration from './calibration.json' with { type: 'json' };

const t = calibration.terms;
const CLIENT_BITS = 13;
const ANSWER_BITS = 17;
const RECENT = 1 << 15;
/** Span in which a client's questions are counted, microseconds. */
const ASKED_MICROS = 900e6;

export class Asking {
  /** Clients that ask; the word is all their questions, then those in the span of the last one and the number of that span. */
  readonly clients = new PairTable(CLIENT_BITS);
  readonly asked = new Uint32Array(2 * 2 ** CLIENT_BITS);
  /** Client and address that an answer named. */
  readonly answered = new PairTable(ANSWER_BITS);
  /** Client, name and addresses of late answers. */
  readonly recent = new Uint32Array(RECENT);

  ask(client: number, at: number): void {
    let row = this.clients.find(client, 0);
    const span = Math.floor(at / ASKED_MICROS);
    if (row < 0) {
      row = this.clients.insert(client, 0);
      this.asked[2 * row] = 0;
      this.asked[2 * row + 1] = span;
    }
    if (this.asked[2 * row + 1]! < span) {
      this.asked[2 * row + 1] = span;
      this.asked[2 * row] = 0;
    }
    this.asked[2 * row]! += 1;
    this.clients.setWord(row, this.clients.word(row) + 1);
    this.clients.setWeight(row, at / 1e6);
  }

  answer(batch: DnsBatch, i: number): void {
    const words = batch.answerAddresses;
    const client = batch.clientHash[i]!;
    const from = batch.answerAddressOffset[i]!;
    const end = from + 4 * Math.min(batch.answerAddressCount[i]!, ANSWER_ADDRESSES_MAX);
    // Nearly all answers were given before, in this order or another: one probe tells.
    let sum = Math.floor(batch.at[i]! / ASKED_MICROS) | 0;
    for (let k = from; k < end; k += 4)
      sum = (sum + Math.imul(words[k + 3]! ^ Math.imul(words[k + 1]! ^ words[k]!, 0x9e3779b1), 0x7feb352d)) | 0;
    const mixed = Math.imul(client ^ Math.imul(sum, 0x9e3779b1), 0x85ebca6b) ^ batch.nameHash[i]!;
    const key = (mixed ^ (mixed >>> 15)) >>> 0 || 1;
    if (this.recent[key & (RECENT - 1)] === key) return;
    this.recent[key & (RECENT - 1)] = key;
    for (let k = from; k < end; k += 4) {
      const address = addressHash(words, k);
      let row = this.answered.find(client, address);
      if (row < 0) row = this.answered.insert(client, address);
      this.answered.setWeight(row, batch.at[i]! / 1e6);
    }
  }

  /** Whether an answer to this client named the address. */
  isNamed(client: number, address: number): boolean {
    return this.answered.find(client, address) >= 0;
  }

  /** Whether this client's questions are known at all. */
  isKnown(client: number): boolean {
    const row = this.clients.find(client, 0);
    return row >= 0 && this.clients.word(row) >= t.askedMin;
  }

  /** Whether the client still asks for names, in the span of `to` or the one before. */
  asks(client: number, to: number): boolean {
    const row = this.clients.find(client, 0);
    if (row < 0) return true;
    return Math.floor(to / ASKED_MICROS) - this.asked[2 * row + 1]! <= 1 && this.asked[2 * row]! > t.askedNow;
  }
}
