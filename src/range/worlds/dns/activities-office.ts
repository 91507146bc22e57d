// People at desks and what their machines ask on their own: pages with shards, directory, scanners, probes, typos.
import { Act, type Activity } from './acts.ts';
import { type Answer, a, aaaa, pointer, Rtype, srv, txt, wireName } from './answers.ts';
import type { Client } from './clients.ts';
import { alphabets, randomLabel, reversedAddress, stableLabel, textLabel, textLabels, zone } from './labels.ts';
import { addressTypes, Rcode, type Site } from './site.ts';
import { ownZone } from './zones.ts';

const directoryHost = wireName(`dc01.${ownZone}`);
const directoryService: readonly Answer[] = [srv(0, 389, directoryHost, 600)];
/** What a virus scanner's zone says of a file: known and clean. */
const clean: readonly Answer[] = [a(0x7f000004, 300)];
const cleanText: readonly Answer[] = [txt('v=1;r=0;ttl=3600', 300)];
const sharedHost: readonly Answer[] = [a(0xc6120909, 300)];
const shardHost: readonly Answer[] = [a(0xc6120a0a, 60), a(0xc6120a0b, 60)];
const shardHost6: readonly Answer[] = [aaaa(0xc6120a0a, 60)];
const words = 'intra files print wiki mail erp crm time map grid water dev test backup fax portal'.split(' ');

/** A rank that this user would go to: mostly the same sites. */
function destination(site: Site, client: Client): number {
  const { random, favourites } = client;
  return favourites.length > 0 && random.chance(0.75)
    ? favourites[Math.floor(favourites.length * random.uniform() ** 2)]!
    : site.popular.draw(random);
}

/** `a` is a rank, `b` picks A, AAAA or HTTPS. */
const host: Activity = (site, client, rank, which) =>
  site.host(client, site.popular.host(rank), addressTypes[which] as number);

/** The page's own host, then AAAA and HTTPS of it, other parties' hosts and content shards. */
const visit: Activity = (site, client) => {
  const { random } = client;
  const rank = destination(site, client);
  if (random.chance(0.5)) site.later(client, random.integer(60, 400), Act.host, rank, 2);
  if (random.chance(0.5)) site.later(client, random.integer(60, 400), Act.host, rank, 1);
  for (let n = random.integer(0, 6); n > 0; n--) {
    const delay = random.integer(40_000, 1_800_000);
    if (random.chance(0.3)) site.later(client, delay, Act.shard);
    else if (random.chance(0.05)) site.later(client, delay, Act.telemetry);
    else site.later(client, delay, Act.host, site.popular.draw(random), 0);
  }
  return host(site, client, rank, 0);
};

/** Content networks put what they serve into the name; a few hundred names come again, others never do. */
const shard: Activity = (site, client) => {
  const { random } = client;
  const name = site.begin();
  const network = random.integer(0, site.zones.content.length - 1);
  if (random.chance(0.8)) stableLabel(name, 1 + Math.floor(400 ** random.uniform()), alphabets.lettersAndDigits, 14);
  else randomLabel(name, random, alphabets.hex, 13);
  zone(name, site.zones.content[network]!);
  const version4 = random.chance(0.85);
  return site.ask(
    client,
    version4 ? Rtype.A : Rtype.AAAA,
    Rcode.NoError,
    version4 ? shardHost : shardHost6,
    random.chance(0.4),
  );
};

/** Windows looks for domain controllers, also by the GUID of the domain. */
const directory: Activity = (site, client) => {
  const { random } = client;
  const name = site.begin();
  textLabel(name, random.chance(0.6) ? '_ldap' : '_kerberos');
  textLabel(name, '_tcp');
  if (random.chance(0.3)) {
    guidLabel(site, 0x51d0);
    textLabel(name, 'domains');
    zone(name, site.zones.directory);
  } else {
    textLabel(name, random.chance(0.5) ? 'Default-First-Site-Name' : 'Head-Office');
    zone(name, site.zones.sites);
  }
  return site.ask(client, Rtype.SRV, Rcode.NoError, directoryService, true);
};

function guidLabel(site: Site, seed: number): void {
  const name = site.head;
  const at = name.nameBytes;
  stableLabel(name, seed, alphabets.hex, 36);
  for (const dash of [8, 13, 18, 23]) name.name[at + 1 + dash] = 0x2d;
}

/** File hashes in names: base32 in one label, hex in two, or hex asked as TXT, by the scanner installed. */
const antivirus: Activity = (site, client) => {
  const { random } = client;
  const scanner = client.serial % site.zones.antivirus.length;
  const name = site.begin();
  // Scanners come upon the same files: two of three hashes are of a set of some thousands.
  const seed = random.chance(0.66) ? Math.floor(4000 ** random.uniform()) : random.word();
  if (scanner === 0) stableLabel(name, seed, alphabets.base32, 52);
  else {
    stableLabel(name, seed, alphabets.hex, 32);
    stableLabel(name, seed ^ 0x5bd1, alphabets.hex, 8);
  }
  zone(name, site.zones.antivirus[scanner]!);
  if (scanner === 2) return site.ask(client, Rtype.TXT, Rcode.NoError, cleanText);
  const known = random.chance(0.8);
  return site.ask(client, Rtype.A, known ? Rcode.NoError : Rcode.NxDomain, known ? clean : undefined);
};

/** A tenant's ingest host carries a hash; a client talks to one or two of them. */
const telemetry: Activity = (site, client) => {
  const { random } = client;
  const name = site.begin();
  const which = client.serial % site.zones.telemetry.length;
  stableLabel(name, (client.serial & 0xffff) + (random.chance(0.1) ? 1 : 0), alphabets.hex, 32);
  textLabel(name, random.chance(0.5) ? 'eu-west1' : 'eu-north2');
  zone(name, site.zones.telemetry[which]!);
  return site.ask(client, Rtype.A, Rcode.NoError, sharedHost, random.chance(0.5));
};

/** A short name, or a whole one, with the search list behind it (RFC 1535). */
const suffixed: Activity = (site, client) => {
  const { random } = client;
  const name = site.begin();
  const inside = random.chance(0.5);
  const word = random.pick(words);
  if (inside) textLabel(name, word);
  else zone(name, site.popular.host(site.popular.draw(random)).wire);
  // A whole name had its root: the suffix takes its place.
  if (!inside) name.nameBytes -= 1;
  zone(name, site.zones.own);
  const known = inside && random.chance(0.8);
  return site.ask(
    client,
    Rtype.A,
    known ? Rcode.NoError : Rcode.NxDomain,
    known ? [a(0x0a010060, 3600)] : undefined,
    true,
  );
};

/** Browsers ask three random single labels to see whether the resolver lies; each is asked with the suffix too. */
const probe: Activity = (site, client, left, seed) => {
  const { random } = client;
  const name = site.begin();
  const suffix = left % 2 === 1;
  const label = suffix ? seed : random.word() | 0;
  stableLabel(name, label, alphabets.letters, 7 + ((label >>> 3) & 7));
  zone(name, suffix ? site.zones.own : rootZone);
  if (left < 5) site.later(client, random.integer(300, 9000), Act.probe, left + 1, label);
  return site.ask(client, Rtype.A, Rcode.NxDomain);
};
const rootZone = Uint8Array.of(0);

const discovery: Activity = (site, client) => {
  const name = site.begin();
  textLabel(name, client.random.chance(0.5) ? 'wpad' : 'isatap');
  zone(name, site.zones.own);
  return site.ask(client, Rtype.A, Rcode.NxDomain, undefined, true);
};

/** Update checks go round a mesh of mirrors. */
const update: Activity = (site, client) =>
  site.host(client, client.random.pick(site.zones.hosts.updates), client.random.chance(0.7) ? Rtype.A : Rtype.AAAA);

/** A popular name with two letters swapped, which nobody has registered. */
const typo: Activity = (site, client) => {
  const { random } = client;
  const name = site.begin();
  zone(name, site.popular.host(site.popular.draw(random)).wire);
  // The last label but one, where registered names differ.
  let label = 0;
  for (let o = 0; name.name[o]! > 0 && name.name[o + 1 + name.name[o]!]! > 0; o += 1 + name.name[o]!) {
    if (name.name[o]! >= 4) label = o;
  }
  // Nothing can be swapped in a label of one letter.
  if (name.name[label]! < 2) return false;
  const at = label + 1 + random.integer(0, name.name[label]! - 2);
  const held = name.name[at]!;
  name.name[at] = name.name[at + 1]!;
  name.name[at + 1] = held;
  return site.ask(client, Rtype.A, Rcode.NxDomain);
};

/** Somebody's page under a zone where anyone has one; visitors' own labels now and then. */
const userSite: Activity = (site, client) => {
  const { random } = client;
  const name = site.begin();
  if (random.chance(0.3)) randomLabel(name, random, alphabets.lettersAndDigits, 12);
  const which = Math.floor(5000 ** random.uniform());
  textLabels(name, `${random.pick(words)}-${which.toString(36)}`);
  zone(name, site.zones.userSites);
  return site.ask(client, Rtype.A, Rcode.NoError, sharedHost, random.chance(0.2));
};

const reverse: Activity = (site, client) => {
  const { random, ip } = client;
  const name = site.begin();
  reversedAddress(name, random.chance(0.5) ? ip : 0x0a280000 | random.integer(256, 1200));
  zone(name, site.zones.reverse);
  const known = random.chance(0.7);
  const answers = known ? [pointer(Rtype.PTR, directoryHost, 1200)] : undefined;
  return site.ask(client, Rtype.PTR, known ? Rcode.NoError : Rcode.NxDomain, answers, true);
};

export const office = {
  host,
  visit,
  shard,
  directory,
  antivirus,
  telemetry,
  suffixed,
  probe,
  discovery,
  update,
  typo,
  userSite,
  reverse,
} as const satisfies Record<string, Activity>;
