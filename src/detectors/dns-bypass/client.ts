// A client with something to tell: by which protocol it asked whom, what it sent over the DNS port that is no DNS, and which
// addresses it spoke to that nobody told it.
import type { Origin } from '#events';

/** Pairs of protocol and server kept of a client. */
const USES_MAX = 16;
export const UNRESOLVED_MAX = 64;

/** How a name was asked for, or might be: `plain` is a resolver that city.yaml does not name, `hint` a step on the way. */
export type Protocol = 'DoT' | 'DoQ' | 'DoH' | 'DNSCrypt' | 'plain' | 'hint';

export interface Sighting {
  readonly origin: Origin;
  readonly place: number;
}

export interface Use {
  readonly protocol: Protocol;
  readonly serverHash: number;
  /** Address, and the name where one was seen; for a hint what was asked. */
  readonly to: string;
  /** A resolver of the city: it can't be read either, and is nobody's bypass. */
  readonly allowed: boolean;
  /** Flows, or messages where they are plain. */
  count: number;
  readonly firstAt: number;
  lastAt: number;
  readonly first: Sighting;
  last: Sighting;
}

/** Messages on port 53 that are no DNS, of one kind. */
export interface Foreign {
  messages: number;
  bytesUp: number;
  bytesDown: number;
  server: string;
  firstAt: number;
  lastAt: number;
  first: Sighting;
  last: Sighting;
}

/** What one kind of claim has reached. */
export interface Claimed {
  id: string;
  bits: number;
  level: number;
  at: number;
  decisive: Sighting;
}

export class Client {
  words: number[];
  hash: number;
  /** Role by city.yaml where it is a field device, else ''. */
  fieldRole: string;
  uses: Use[] = [];
  usesMore = 0;
  /** By value of `foreign` in the rows: 1 not DNS, 2 iodine raw. */
  foreign: (Foreign | null)[] = [null, null, null];
  /** Servers with which one flow had the sizes of DNSCrypt. */
  padded: number[] = [];
  /** Addresses of the outside that no answer named: hash and time. */
  unresolved: [number, number][] = [];
  /** Place and time of the last such flow. */
  blind: { first: Sighting; firstAt: number; last: Sighting; lastAt: number } | null = null;
  /** By kind of claim. */
  claimed: Record<string, Claimed> = {};

  constructor(words: number[], hash: number, fieldRole: string) {
    this.words = words;
    this.hash = hash;
    this.fieldRole = fieldRole;
  }

  /** The use of this protocol at this server, where it is known. */
  find(protocol: Protocol, serverHash: number): Use | undefined {
    for (const u of this.uses) if (u.serverHash === serverHash && u.protocol === protocol) return u;
    return undefined;
  }

  add(use: Use): void {
    if (this.uses.length < USES_MAX) this.uses.push(use);
    else this.usesMore += 1;
  }

  /** What it is worth when one has to go. */
  get weight(): number {
    let weight = this.uses.length + (this.fieldRole === '' ? 0 : 100);
    for (const c of Object.values(this.claimed)) weight += 1000 * c.level;
    return weight;
  }
}
