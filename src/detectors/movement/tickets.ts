// Who is on which host, by the tickets it is given, and what is odd about a ticket: another user than the host's own, a realm
// spelled as no controller of it spells it (RFC 4120, 6.1: realms are case sensitive; forging tools write what they are told).
import { type OperationBatch, OperationProtocol } from '#events';
import { BoundedMap } from '../bounded-map.ts';

const HOSTS_MAX = 20_000;
const USERS_MAX = 8;
const TICKETS_MAX = 16;
const REALMS_MAX = 256;
/** A ticket serves the flow that begins within this after it, microseconds. */
const SERVES_MICROS = 120e6;
/** A user who was on a host this long before another is its own. */
const OWN_MICROS = 60e6;
const AS_REPLY = 11;
const TGS_REPLY = 13;

export interface Ticket {
  readonly at: number;
  readonly service: string;
  readonly user: string;
  /** Another user than the host's own. */
  readonly switched: string;
  /** The realm as it should be spelled; '' where nothing is odd. */
  readonly realm: string;
  /** No request for the user's first ticket was seen from anywhere. */
  readonly unasked: boolean;
  readonly file: string;
  readonly place: number;
  readonly placed: 'frame' | 'line' | 'offset';
}

interface Host {
  users: { user: string; at: number }[];
  tickets: Ticket[];
}

export class Tickets {
  shed = 0;
  readonly #drop = (): void => {
    this.shed += 1;
  };
  readonly #hosts = new BoundedMap<string, Host>(HOSTS_MAX, this.#drop);
  /** Realms in capitals, as controllers spell them. */
  readonly #realms = new Map<string, string>();
  /** Users who asked for their first ticket, with when. */
  readonly #asked = new BoundedMap<string, number>(HOSTS_MAX, this.#drop);

  /** Takes a row of Kerberos; only answers that gave a ticket say something. */
  take(b: OperationBatch, i: number, host: string): void {
    const code = b.code[i]!;
    if (b.protocol[i] !== OperationProtocol.Kerberos || (code !== AS_REPLY && code !== TGS_REPLY)) return;
    const principal = b.userText(i);
    const slash = principal.lastIndexOf('/');
    const user = principal.slice(0, Math.max(0, slash)).toLowerCase();
    const realm = principal.slice(slash + 1);
    const service = b.objectText(i);
    if (user === '') return;
    if (/^krbtgt\//i.test(service)) this.#realm(service.slice(service.indexOf('/') + 1));
    else if (code === AS_REPLY) this.#realm(realm);
    // Machines ask for themselves all day; they are no one's identity.
    if (user.endsWith('$')) return;
    if (code === AS_REPLY) {
      this.#asked.add(user, b.at[i]!);
    }
    const h = this.#hosts.get(host) ?? this.#hosts.add(host, { users: [], tickets: [] });
    const own = h.users.find((u) => u.user !== user && b.at[i]! - u.at >= OWN_MICROS);
    const known = h.users.find((u) => u.user === user);
    if (known === undefined && h.users.length < USERS_MAX) h.users.push({ user, at: b.at[i]! });
    if (code !== TGS_REPLY) return;
    const first = h.users[0]!.user;
    const spelled = this.#realms.get(realm.toUpperCase()) ?? '';
    h.tickets.push({
      at: b.at[i]!,
      service,
      user: principal,
      switched: own !== undefined && first !== user ? first : '',
      realm: /[a-z]/.test(realm) && spelled !== '' && spelled !== realm ? spelled : '',
      unasked: !this.#asked.has(user),
      file: b.origin.file,
      place: b.place[i]!,
      placed: b.origin.placed,
    });
    if (h.tickets.length > TICKETS_MAX) h.tickets.shift();
  }

  /** The ticket by which a host began something at `at`. */
  serving(host: string, at: number, services: RegExp): Ticket | undefined {
    const tickets = this.#hosts.get(host)?.tickets;
    if (tickets === undefined) return undefined;
    let best: Ticket | undefined;
    for (const t of tickets)
      if (
        t.at <= at + 2e6 &&
        at - t.at <= SERVES_MICROS &&
        services.test(t.service) &&
        (best === undefined || t.at >= best.at)
      )
        best = t;
    return best;
  }

  #realm(realm: string): void {
    if (realm === '' || /[a-z]/.test(realm) || this.#realms.size >= REALMS_MAX) return;
    this.#realms.set(realm.toUpperCase(), realm);
  }

  save(): object {
    return { hosts: [...this.#hosts], realms: [...this.#realms], asked: [...this.#asked] };
  }

  load(s: Record<string, unknown>): void {
    this.#hosts.load(s.hosts);
    this.#realms.clear();
    for (const [k, v] of s.realms as [string, string][]) this.#realms.set(k, v);
    this.#asked.load(s.asked);
  }
}
