// How many hosts use a place: what several use is a service, not the channel of one. Hashes of the first four are kept.
import { PairTable } from '#lib/table';

const USERS_MAX = 4;

export class Users {
  /** Places; the word is the number of users. */
  readonly table: PairTable;
  readonly hashes: Uint32Array;

  /** @param bits log2 of the places */
  constructor(bits: number) {
    this.table = new PairTable(bits);
    this.hashes = new Uint32Array(USERS_MAX * 2 ** bits);
  }

  /** @returns users of the place that are known, at most four; 1 where the place is not */
  of(key: number, kind: number): number {
    const slot = this.table.find(key, kind);
    return slot < 0 ? 1 : this.table.word(slot);
  }

  /** Counts a host among the users of a place. @returns how many there are, at most four */
  add(host: number, key: number, kind: number): number {
    let slot = this.table.find(key, kind);
    if (slot < 0) {
      slot = this.table.insert(key, kind);
      this.hashes.fill(0, USERS_MAX * slot, USERS_MAX * slot + USERS_MAX);
    }
    let count = this.table.word(slot);
    for (let k = 0; k < count; k++) if (this.hashes[USERS_MAX * slot + k] === host) return count;
    if (count < USERS_MAX) {
      this.hashes[USERS_MAX * slot + count] = host;
      this.table.setWord(slot, ++count);
      // A place of many is worth keeping: it silences.
      this.table.setWeight(slot, count);
    }
    return count;
  }
}
