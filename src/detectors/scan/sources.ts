// Hosts of ours and their first contacts. Speed does not matter to a scan: each first contact moves a walk up where it fails and
// down where it is answered, so a try every ten minutes counts like a thousand a second.
import type { City } from '#city';
import type { FlowBatch } from '#events';
import { addressHash } from '#lib/address';
import { PairTable } from '#lib/table';
import { isFieldRole } from '../roles.ts';
import calibration from './calibration.json' with { type: 'json' };
import { CONTACTS_BITS, SOURCES_BITS } from './card.ts';
import { Spread } from './spread.ts';

const c = calibration;
/** Roles whose tries are their work, or many hosts' behind one address. */
const exempt = /scanner|monitor|\bnat\b|nat-|firewall|router|proxy|resolver/i;
/** Ports that administer hosts or control plants. */
const sensitive = new Set([
  ...[21, 22, 23, 135, 139, 445, 1433, 2323, 3306, 3389, 5555, 5900, 5985, 5986, 7547],
  ...[102, 502, 1911, 2404, 4840, 20_000, 44_818, 47_808, 789, 1962, 9600],
]);
export const Kind = { Person: 0, Field: 1, Exempt: 2 } as const;

export class Sources {
  readonly table = new PairTable(SOURCES_BITS);
  readonly kind = new Uint8Array(2 ** SOURCES_BITS);
  readonly walk = new Float32Array(2 ** SOURCES_BITS);
  readonly failed = new Uint32Array(2 ** SOURCES_BITS);
  readonly answered = new Uint32Array(2 ** SOURCES_BITS);
  readonly sensitive = new Uint32Array(2 ** SOURCES_BITS);
  readonly firstAt = new Float64Array(2 ** SOURCES_BITS);
  readonly firstPlace = new Float64Array(2 ** SOURCES_BITS);
  readonly lastAt = new Float64Array(2 ** SOURCES_BITS);
  readonly #looked = new Uint32Array(2 ** SOURCES_BITS);
  readonly hosts = new Spread(2 ** SOURCES_BITS);
  readonly ports = new Spread(2 ** SOURCES_BITS);
  /** First contacts already judged: source, target and port. */
  readonly contacts = new PairTable(CONTACTS_BITS);
  readonly columns: readonly ArrayBufferView[] = [
    ...[this.kind, this.walk, this.failed, this.answered, this.sensitive, this.firstAt, this.firstPlace],
    ...[this.lastAt, this.#looked, this.hosts.words, this.ports.words],
  ];
  readonly #city: City;

  constructor(city: City) {
    this.#city = city;
  }

  slotOf(batch: FlowBatch, i: number, hash: number): number {
    let slot = this.table.find(hash, 1);
    if (slot >= 0) return slot;
    slot = this.table.insert(hash, 1);
    const role = this.#city.assetByAddress(batch.addresses, 8 * i)?.role ?? '';
    this.kind[slot] = exempt.test(role) ? Kind.Exempt : isFieldRole(role) ? Kind.Field : Kind.Person;
    this.#restart(slot, batch, i);
    return slot;
  }

  #restart(slot: number, batch: FlowBatch, i: number): void {
    this.walk[slot] = 0;
    this.failed[slot] = 0;
    this.answered[slot] = 0;
    this.sensitive[slot] = 0;
    this.firstAt[slot] = batch.firstAt[i]!;
    this.firstPlace[slot] = batch.place[i]!;
    this.lastAt[slot] = batch.firstAt[i]!;
    this.#looked[slot] = 0;
    this.hosts.clear(slot);
    this.ports.clear(slot);
  }

  /** @returns the source where its tries are worth another look, else -1 */
  contact(batch: FlowBatch, i: number, fails: boolean): number {
    const hash = addressHash(batch.addresses, 8 * i);
    const slot = this.slotOf(batch, i, hash);
    if (this.kind[slot] === Kind.Exempt) return -1;
    const host = addressHash(batch.addresses, 8 * i + 4);
    const port = batch.responderPort[i]!;
    const target = (Math.imul(host ^ port, 0x85ebca6b) ^ (port << 16) ^ batch.protocol[i]!) >>> 0;
    if (this.contacts.find(hash, target) >= 0) return -1;
    const contact = this.contacts.insert(hash, target);
    // The oldest contact of a bucket goes first.
    this.contacts.setWeight(contact, batch.at[i]! / 1e6 - 1.5e9);
    if (!fails) {
      this.answered[slot]! += 1;
      this.walk[slot] = Math.max(0, this.walk[slot]! - c.answerBits);
      // Back at the start: what failed before was chance.
      if (this.walk[slot] === 0) this.#restart(slot, batch, i);
      return -1;
    }
    if (this.failed[slot] === 0 || batch.firstAt[i]! - this.lastAt[slot]! > c.forgetMicros)
      this.#restart(slot, batch, i);
    this.lastAt[slot] = Math.max(this.lastAt[slot]!, batch.firstAt[i]!);
    this.failed[slot]! += 1;
    if (sensitive.has(port)) this.sensitive[slot]! += 1;
    this.walk[slot] = Math.min(c.walkMax, this.walk[slot]! + c.failBits);
    this.hosts.add(slot, host);
    this.ports.add(slot, Math.imul(port + 1, 0x85ebca6b) >>> 0);
    this.table.setWeight(slot, this.failed[slot]!);
    if (this.walk[slot]! < c.walkMin || this.failed[slot]! < 1.1 * this.#looked[slot]!) return -1;
    this.#looked[slot] = this.failed[slot]!;
    return slot;
  }
}
