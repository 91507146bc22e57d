// Phones, televisions, and a laptop whose lawful private network runs inside DNS (the city lists it under `dns.allow`).
import { Act, type Activity } from './acts.ts';
import { a, opaque, Rtype, txt } from './answers.ts';
import { alphabets, randomLabel, stableLabel, textLabel, zone } from './labels.ts';
import { addressTypes, Rcode } from './site.ts';

/** Apps ask their gateways for all three types at once. `a` is the number of the app, plus one, in follow-ups. */
const app: Activity = (site, client, chosen, which) => {
  const { random } = client;
  const { apps } = site.zones.hosts;
  const number = chosen > 0 ? chosen - 1 : Math.floor(apps.length * random.uniform() ** 2);
  if (chosen === 0) {
    site.later(client, random.integer(30, 300), Act.app, number + 1, 1);
    site.later(client, random.integer(30, 300), Act.app, number + 1, 2);
    if (random.chance(0.4)) site.later(client, random.integer(100_000, 900_000), Act.shard);
  }
  return site.host(client, apps[number]!, addressTypes[which] as number);
};

const check: Activity = (site, client) =>
  site.host(client, site.zones.hosts.checks[client.serial % site.zones.hosts.checks.length]!, Rtype.A);

const stream: Activity = (site, client) => {
  const { random } = client;
  for (let n = random.integer(1, 4); n > 0; n--) site.later(client, random.integer(100_000, 5_000_000), Act.shard);
  return site.host(client, random.pick(site.zones.hosts.streams), Rtype.A);
};

/** Advertisers measure with a host name for each showing. */
const advert: Activity = (site, client) => {
  const { random } = client;
  const name = site.begin();
  randomLabel(name, random, alphabets.hex, 24);
  textLabel(name, 'px');
  zone(name, site.zones.telemetry[0]!);
  return site.ask(client, Rtype.A, Rcode.NoError, [a(0xc6120c0c, 30)]);
};

/** A session of some minutes: a few names, then one each second or so. */
const dial: Activity = (site, client) => {
  const { random } = client;
  const packets = random.integer(200, 500);
  const gap = random.integer(600, 1400);
  site.later(client, 50_000, Act.carry, packets, gap);
  const name = site.begin();
  stableLabel(name, client.serial, alphabets.base32, 26);
  zone(name, site.zones.privateNetwork);
  return site.ask(client, Rtype.TXT, Rcode.NoError, [txt('ok', 0)]);
};
const carry: Activity = (site, client, left, gapMillis) => {
  const { random } = client;
  if (left > 1) site.later(client, gapMillis * 1000 + random.integer(0, 200_000), Act.carry, left - 1, gapMillis);
  const name = site.begin();
  const labels = random.integer(1, 3);
  for (let l = 0; l < labels; l++) randomLabel(name, random, alphabets.base32, 57);
  zone(name, site.zones.privateNetwork);
  const down = new Uint8Array(random.integer(20, 220));
  random.fill(down);
  return site.ask(client, Rtype.NULL, Rcode.NoError, [opaque(Rtype.NULL, down, 0)]);
};

export const personal = { app, check, stream, advert, dial, carry } as const satisfies Record<string, Activity>;
