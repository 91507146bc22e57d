// Servers: mail and its block lists, backups into a wildcard store, a reverse sweep each night, a check of signed zones.
import { Act, type Activity } from './acts.ts';
import { type Answer, a, mx, opaque, pointer, Rtype, txt, wireName } from './answers.ts';
import { alphabets, randomLabel, reversedAddress, stableLabel, textLabel, zone } from './labels.ts';
import { Rcode } from './site.ts';

const listed: readonly Answer[] = [a(0x7f000002, 300), a(0x7f000004, 300)];
const sender: readonly Answer[] = [txt('v=spf1 ip4:198.18.0.0/15 include:_spf.mail.example -all', 3600)];
const reportPolicy: readonly Answer[] = [txt('v=DMARC1; p=reject; rua=mailto:dmarc@mail.example', 3600)];
const signature: readonly Answer[] = [
  txt(`v=DKIM1; k=rsa; p=${'MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA'.repeat(8).slice(0, 340)}`, 3600),
];
const exchangers: readonly Answer[] = [
  mx(10, wireName('mx1.mail.example'), 3600),
  mx(20, wireName('mx2.mail.example'), 3600),
];
const origin: readonly Answer[] = [txt('64500 | 198.18.0.0/15 | EX | example | 2020-01-01', 14_400)];
const named: readonly Answer[] = [pointer(Rtype.PTR, wireName('out.mail.example'), 3600)];
const stored: readonly Answer[] = [a(0xc6120d0d, 5)];
const keys = (type: number, octets: number): readonly Answer[] => [
  opaque(
    type,
    Uint8Array.from({ length: octets }, (_, i) => (i * 73 + 11) & 255),
    3600,
  ),
];
const signed: readonly (readonly [number, readonly Answer[]])[] = [
  [Rtype.DNSKEY, keys(Rtype.DNSKEY, 68)],
  [Rtype.DS, keys(Rtype.DS, 36)],
  [Rtype.A, [a(0xc6120e0e, 300), ...keys(Rtype.RRSIG, 95)]],
];

/** A message arrives from the address in `a`: who is it, who lists it, what does the sender's domain say. */
const message: Activity = (site, client) => {
  const { random } = client;
  const from = 0xcb007100 | random.integer(1, 4000);
  const domain = Math.floor(site.zones.senders.length * random.uniform() ** 2);
  site.zones.blockLists.forEach((_, list) => {
    site.later(client, random.integer(500, 20_000), Act.blockList, from, list);
  });
  for (let what = 0; what < 4; what++)
    if (random.chance(what < 2 ? 0.9 : 0.6))
      site.later(client, random.integer(30_000, 300_000), Act.policy, domain, what);
  if (random.chance(0.3)) site.later(client, random.integer(30_000, 90_000), Act.origin, from);
  const name = site.begin();
  reversedAddress(name, from);
  zone(name, site.zones.reverse);
  const known = random.chance(0.6);
  return site.ask(client, Rtype.PTR, known ? Rcode.NoError : Rcode.NxDomain, known ? named : undefined);
};

/** RFC 5782: the reversed address under the list's zone; mostly not listed. */
const blockList: Activity = (site, client, address, list) => {
  const name = site.begin();
  reversedAddress(name, address);
  zone(name, site.zones.blockLists[list]!);
  const bad = client.random.chance(0.12);
  return site.ask(client, Rtype.A, bad ? Rcode.NoError : Rcode.NxDomain, bad ? listed : undefined);
};

/** MX, SPF (RFC 7208), DKIM (RFC 6376 3.6.2) and DMARC (RFC 7489 6.1) of the sender's domain. */
const policy: Activity = (site, client, domain, what) => {
  const name = site.begin();
  if (what === 2) {
    stableLabel(name, domain, alphabets.lettersAndDigits, 8 + (domain % 9));
    textLabel(name, '_domainkey');
  } else if (what === 3) textLabel(name, '_dmarc');
  zone(name, site.zones.senders[domain]!);
  const answers = [exchangers, sender, signature, reportPolicy][what];
  return site.ask(client, what === 0 ? Rtype.MX : Rtype.TXT, Rcode.NoError, answers, client.random.chance(0.3));
};

const originOf: Activity = (site, client, address) => {
  const name = site.begin();
  reversedAddress(name, address);
  zone(name, site.zones.originList);
  return site.ask(client, Rtype.TXT, Rcode.NoError, origin);
};

/** Backups go to one host name a store, under a wildcard. */
const object: Activity = (site, client) => {
  const { random } = client;
  const name = site.begin();
  stableLabel(name, Math.floor(60 ** random.uniform()), alphabets.lettersAndDigits, 24);
  zone(name, site.zones.storage);
  const version4 = random.chance(0.5);
  return site.ask(client, version4 ? Rtype.A : Rtype.AAAA, Rcode.NoError, version4 ? stored : undefined);
};

/** Each night a log is resolved backwards: `left` addresses in a row. */
const sweep: Activity = (site, client, left) => {
  const { random } = client;
  const remaining = left > 0 ? left : random.integer(80, 200);
  if (remaining > 1) site.later(client, random.integer(20_000, 90_000), Act.sweep, remaining - 1);
  const name = site.begin();
  reversedAddress(name, 0xc6120000 | random.integer(0, 0xffff));
  zone(name, site.zones.reverse);
  const known = random.chance(0.5);
  return site.ask(client, Rtype.PTR, known ? Rcode.NoError : Rcode.NxDomain, known ? named : undefined);
};

/** Certificates are renewed by a token in TXT (RFC 8555 8.4). */
const challenge: Activity = (site, client) => {
  const name = site.begin();
  textLabel(name, '_acme-challenge');
  textLabel(name, 'backup');
  zone(name, site.zones.own);
  const token = client.random.word().toString(36).padEnd(43, 'x');
  return site.ask(client, Rtype.TXT, Rcode.NoError, [txt(token, 60)]);
};

/** A monitor asks keys and signatures of signed zones with DO, and the resolver vouches with AD. */
const validate: Activity = (site, client) => {
  const { random } = client;
  const name = site.begin();
  if (random.chance(0.1)) randomLabel(name, random, alphabets.lettersAndDigits, 16);
  zone(name, site.zones.senders[random.integer(0, 30)]!);
  const [type, answers] = random.pick(signed);
  site.ask(client, type, Rcode.NoError, answers);
  name.dnssecOk = true;
  name.authentic = name.rcode === Rcode.NoError;
  return true;
};

export const servers = {
  message,
  blockList,
  policy,
  origin: originOf,
  object,
  sweep,
  challenge,
  validate,
} as const satisfies Record<string, Activity>;
