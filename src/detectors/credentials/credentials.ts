// Attacks on credentials, told by what a host asks for: users that there are not, passwords that are refused, tickets in weak
// ciphers or without proof, the secure channel again and again, servers made to sign in elsewhere, accounts made from afar.
import {
  type EventBatch,
  evidenceOf,
  formatAddress,
  OperationBatch,
  OperationProtocol,
  OperationRole,
  rpcOperationName,
} from '#events';
import { BoundedMap } from '../bounded-map.ts';
import { assetOf, findingOf } from '../claim.ts';
import type { Detector, DetectorContext, DetectorKind } from '../contract.ts';
import { Growing, type Signed } from '../growing.ts';
import calibration from './calibration.json' with { type: 'json' };
import { Call, callOf, coerceBits } from './calls.ts';
import { ASKED_MAX, CLAIMS_MAX, card, HOSTS_MAX, KEYS_MAX } from './card.ts';
import { Recent } from './recent.ts';
import { type SignName, signs } from './signs.ts';

const c = calibration;
const VERSION = 1;
const WINDOW_MICROS = c.windowSeconds * 1e6;
const AFRESH_MICROS = 86_400e6;
const CONTROLLERS_MAX = 256;
const AsRequest = 10;
const AsReply = 11;
const TgsReply = 13;
const KdcError = 30;
/** RFC 4120, 7.5.9: no such client; client locked out; pre-authentication failed. */
const UNKNOWN = 6;
const REVOKED = 18;
const REFUSED = 24;
/** RFC 3961, 8 and RFC 4757: RC4-HMAC and its export form, whose tickets fall to guesses by the thousand million. */
const RC4: readonly number[] = [23, 24];

type Kind = 'probe' | 'spray' | 'guess' | 'roast' | 'unproved' | 'secureChannel' | 'granted' | 'accounts';
type Host = Record<Kind, Recent>;
const kinds: readonly Kind[] = ['probe', 'spray', 'guess', 'roast', 'unproved', 'secureChannel', 'granted', 'accounts'];

export const credentials: DetectorKind = { card, create: (context) => new Credentials(context) };

class Credentials implements Detector {
  shed = 0;
  readonly #drop = (): void => {
    this.shed += 1;
  };
  readonly #context: DetectorContext;
  readonly #hosts = new BoundedMap<string, Host>(HOSTS_MAX, this.#drop);
  /** Addresses that gave tickets, and whether their own ticket (krbtgt) is in RC4: then all are. */
  readonly #controllers = new BoundedMap<string, boolean>(CONTROLLERS_MAX, this.#drop);
  /** Requests for first tickets under way, by host and user: whether they proved who asks. */
  readonly #asked = new BoundedMap<string, boolean>(ASKED_MAX, () => {});
  readonly #claims = new Growing(CLAIMS_MAX, this.#drop, c.mediumBits, AFRESH_MICROS);

  constructor(context: DetectorContext) {
    this.#context = context;
  }

  observe(batch: EventBatch): void {
    if (!(batch instanceof OperationBatch)) return;
    for (let i = 0; i < batch.count; i++) {
      const protocol = batch.protocol[i]!;
      if (protocol === OperationProtocol.Kerberos) this.#kerberos(batch, i);
      else if (protocol === OperationProtocol.Dcerpc) this.#call(batch, i);
      else if (protocol === OperationProtocol.Ntlm && batch.status[i]! > 0) this.#refused(batch, i, userOf(batch, i));
    }
  }

  #kerberos(b: OperationBatch, i: number): void {
    const code = b.code[i]!;
    const user = userOf(b, i);
    if (code === AsRequest) {
      const key = `${formatAddress(b.addresses, 8 * i)} ${user}`;
      this.#asked.delete(key);
      this.#asked.add(key, b.objectCount[i]! > 0);
    } else if (code === AsReply) this.#given(b, i, user);
    else if (code === TgsReply) this.#ticket(b, i);
    else if (code === KdcError) {
      const status = b.status[i]!;
      if (status === UNKNOWN) this.#unknown(b, i, user);
      else if (status === REFUSED || status === REVOKED) this.#refused(b, i, user);
    }
  }

  /** A user's first ticket. */
  #given(b: OperationBatch, i: number, user: string): void {
    const server = formatAddress(b.addresses, 8 * i + 4);
    this.#controller(server, RC4.includes(b.objectNumber[i]!));
    if (user === '' || user.endsWith('$')) return;
    const client = formatAddress(b.addresses, 8 * i);
    const proved = this.#asked.get(`${client} ${user}`);
    this.#asked.delete(`${client} ${user}`);
    if (proved === false) {
      const users = this.#note(b, i, 'unproved', user);
      this.#level(
        b,
        i,
        'unproved',
        users.size,
        (k) =>
          `tickets of ${k} users given without proof of who asks, which lets their passwords be guessed elsewhere: ${some(users)}`,
      );
    }
    const host = this.#hosts.get(client);
    if (host === undefined) return;
    host.granted.note(user, b.at[i]!, WINDOW_MICROS);
    if (host.spray.has(user) && host.spray.size >= c.spray.counts[0]!)
      this.#tell(b, i, [say('gotIn', c.gotIn, `${user} signed in after its password had been tried`)]);
  }

  #ticket(b: OperationBatch, i: number): void {
    const server = formatAddress(b.addresses, 8 * i + 4);
    const service = b.objectText(i).toLowerCase();
    const weak = RC4.includes(b.objectNumber[i]!);
    if (service.startsWith('krbtgt/')) {
      this.#controller(server, weak);
      return;
    }
    if (!weak || this.#controllers.get(server) === true) return;
    const services = this.#note(b, i, 'roast', service);
    this.#level(
      b,
      i,
      'roast',
      services.size,
      (k) =>
        `tickets to ${k} services in RC4 within ten minutes, which lets their passwords be guessed elsewhere: ${some(services)}`,
    );
  }

  #controller(address: string, isWeak: boolean): void {
    if (this.#controllers.get(address) === undefined) this.#controllers.add(address, isWeak);
    else if (isWeak) this.#controllers.set(address, true);
  }

  #unknown(b: OperationBatch, i: number, user: string): void {
    if (user === '') return;
    const seen = this.#note(b, i, 'probe', user);
    if (this.#signsInForMany(b, i, seen.size)) return;
    this.#level(
      b,
      i,
      'probe',
      seen.size,
      (k) => `${k} users asked for within ten minutes that there are not: ${some(seen)}`,
    );
  }

  #refused(b: OperationBatch, i: number, user: string): void {
    if (user === '' || user.endsWith('$')) return;
    const seen = this.#note(b, i, 'spray', user);
    const tries = this.#note(b, i, 'guess', `${user} ${b.place[i]}`, c.guess.seconds * 1e6).count(`${user} `);
    this.#level(b, i, 'guess', tries, (k) => `${k} passwords of ${user} refused within a minute`);
    if (this.#signsInForMany(b, i, seen.size)) return;
    this.#level(b, i, 'spray', seen.size, (k) => `passwords of ${k} users refused within ten minutes: ${some(seen)}`);
  }

  /** A gateway or mail server that signs in for its users is told by those who get in. */
  #signsInForMany(b: OperationBatch, i: number, bad: number): boolean {
    const host = this.#hosts.get(formatAddress(b.addresses, 8 * i));
    return host !== undefined && 2 * host.granted.size > bad;
  }

  #call(b: OperationBatch, i: number): void {
    if (b.role[i] !== OperationRole.Request) return;
    const opnum = b.code[i]!;
    const name = b.objectText(i);
    const call = callOf(name, opnum);
    if (call === Call.Nothing) return;
    const operation = rpcOperationName(name, opnum);
    if (call === Call.Channel) {
      const tries = this.#note(b, i, 'secureChannel', String(b.place[i]), c.secureChannel.seconds * 1e6).size;
      this.#level(
        b,
        i,
        'secureChannel',
        tries,
        (k) => `the secure channel is asked for ${k} times within a minute (${operation}); a computer asks once`,
      );
    } else if (call === Call.PasswordSet) {
      if ((this.#hosts.get(formatAddress(b.addresses, 8 * i))?.secureChannel.size ?? 0) >= c.secureChannel.counts[0]!)
        this.#tell(b, i, [say('passwordSet', c.passwordSet, `and a machine’s password is set (${operation})`)]);
    } else if (call === Call.Coerce) {
      const reasons = [
        say(
          'coerce',
          coerceBits(name),
          `${operation}: the server opens a path that its caller names, and signs in there`,
        ),
      ];
      if (this.#isController(b, i))
        reasons.push(say('controller', c.coerceController, 'the server is a domain controller'));
      this.#tell(b, i, reasons);
    } else {
      const both = this.#note(b, i, 'accounts', call === Call.Made ? 'made' : 'raised');
      const isBoth = both.has('made') && both.has('raised');
      this.#tell(b, i, [
        isBoth
          ? say('raised', c.accountBoth, 'an account is made from afar and put into a group')
          : call === Call.Made
            ? say('made', c.accountMade, `an account is made from afar (${operation})`)
            : say('raised', c.accountRaised, `an account is put into a group from afar (${operation})`),
      ]);
    }
  }

  #isController(b: OperationBatch, i: number): boolean {
    const server = formatAddress(b.addresses, 8 * i + 4);
    return this.#controllers.has(server) || this.#context.city.assetByIp(server)?.role === 'domain-controller';
  }

  #note(b: OperationBatch, i: number, kind: Kind, key: string, window = WINDOW_MICROS): Recent {
    const client = formatAddress(b.addresses, 8 * i);
    const host = this.#hosts.get(client) ?? this.#hosts.add(client, blank());
    const recent = host[kind];
    recent.note(key, b.at[i]!, window);
    return recent;
  }

  /** A sign that weighs more the more there are: told when a count of the calibration is reached. */
  #level(
    b: OperationBatch,
    i: number,
    sign: 'probe' | 'spray' | 'guess' | 'roast' | 'unproved' | 'secureChannel',
    n: number,
    text: (count: number) => string,
  ): void {
    const { counts, bits } = c[sign];
    const level = counts.indexOf(n);
    if (level >= 0) this.#tell(b, i, [say(sign, bits[level]!, text(n))]);
  }

  #tell(b: OperationBatch, i: number, reasons: Signed[]): void {
    const { city } = this.#context;
    const client = formatAddress(b.addresses, 8 * i);
    const server = formatAddress(b.addresses, 8 * i + 4);
    if (/scanner|monitoring|management|gateway|mail|vpn|radius|identity/.test(city.assetByIp(client)?.role ?? ''))
      reasons.push(say('role', c.serviceRole, 'by its role the host does so for others'));
    const flow = `${client}:${b.clientPort[i]} > ${server}:${b.serverPort[i]}`;
    const evidence = { ...evidenceOf(b.origin, b.place[i]!), flow };
    const claim = this.#claims.grow(`${client}>${server}`, b.at[i]!, reasons, evidence);
    if (claim === undefined) return;
    const asset = assetOf(city, client);
    const target = city.assetByIp(server)?.id ?? server;
    const told = [...claim.reasons].sort((x, y) => y.bits - x.bits);
    const signOf = (name: string) => signs[name as SignName];
    this.#context.claim(
      findingOf(card, c, {
        title: `${asset.id ?? client} ${signOf(told[0]!.sign).does} at ${target}`,
        bits: claim.bits,
        asset,
        subject: { type: 'asset', value: target },
        firstAt: claim.firstAt,
        at: claim.alertAt,
        lastAt: claim.lastAt,
        techniques: [...new Set(told.map((r) => signOf(r.sign).technique).filter((t) => t !== ''))],
        reasons: told.map(({ text, bits }) => ({ text, bits })),
        evidence: [...claim.evidence],
        count: claim.count,
        response: [{ type: 'nft', record: `add element inet parapet denied { ${client} . ${server} timeout 4h }` }],
        links: [`ip:${client}`],
      }),
    );
  }

  advance(): void {}

  snapshot(): unknown {
    return {
      version: VERSION,
      shed: this.shed,
      hosts: [...this.#hosts].map(([address, host]) => [address, kinds.map((k) => host[k].save())]),
      controllers: [...this.#controllers],
      asked: [...this.#asked],
      claims: [...this.#claims],
    };
  }

  restore(state: unknown): void {
    const s = state as { version: number; shed: number; controllers: unknown; asked: unknown; claims: unknown } & {
      hosts: [string, [string, number][][]][];
    };
    if (s?.version !== VERSION) throw new Error(`credentials: state of version ${s?.version}, not ${VERSION}`);
    this.shed = s.shed;
    this.#hosts.clear();
    for (const [address, saved] of s.hosts)
      this.#hosts.set(address, Object.fromEntries(kinds.map((k, n) => [k, new Recent(KEYS_MAX, saved[n])])) as Host);
    this.#controllers.load(s.controllers);
    this.#asked.load(s.asked);
    this.#claims.load(s.claims);
  }
}

const blank = (): Host => Object.fromEntries(kinds.map((k) => [k, new Recent(KEYS_MAX)])) as Host;

/** A few, for people. */
const some = (of: Recent): string => of.some(3).join(', ');

const say = (sign: SignName, bits: number, text: string): Signed => ({ sign, bits, text });

/** The user without its realm, in small letters: domains write them as they are asked. */
function userOf(b: OperationBatch, i: number): string {
  const text = b.userText(i);
  const slash = text.lastIndexOf('/');
  return (slash < 0 ? text : text.slice(0, slash)).toLowerCase();
}
