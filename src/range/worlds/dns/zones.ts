// The zones and services of one city's simulated internet, made by the seed: no name of a real vendor is in it.
import type { Random } from '#lib/random';
import { ipv4 } from '../../encode/ethernet.ts';
import { registered, word } from '../names.ts';
import { wireName } from './answers.ts';
import { Host } from './hosts.ts';

export const ownZone = 'riverton.example';

export interface Zones {
  /** Wire forms of zones under which names are made. */
  readonly own: Uint8Array;
  readonly directory: Uint8Array;
  readonly sites: Uint8Array;
  readonly reverse: Uint8Array;
  /** Virus scanners that put what they have seen into names: base32 in one label, hex in two, answers in TXT. */
  readonly antivirus: readonly Uint8Array[];
  readonly blockLists: readonly Uint8Array[];
  readonly originList: Uint8Array;
  readonly content: readonly Uint8Array[];
  readonly telemetry: readonly Uint8Array[];
  /** Anyone has a host here: a wildcard zone. */
  readonly userSites: Uint8Array;
  readonly storage: Uint8Array;
  readonly relay: Uint8Array;
  readonly privateNetwork: Uint8Array;
  readonly senders: readonly Uint8Array[];
  /** Names of zones whose owners put data into names with the city's knowledge. */
  readonly allowed: readonly string[];
  /** Registered names of all services that put data into names, for tests. */
  readonly dataInNames: readonly string[];
  readonly hosts: {
    readonly headEnd: Host;
    readonly recorder: Host;
    readonly historian: Host;
    readonly lights: Host;
    readonly fleet: Host;
    readonly time: Host;
    readonly controllers: readonly Host[];
    readonly publicTime: readonly Host[];
    readonly firmware: readonly Host[];
    readonly cameraCloud: readonly Host[];
    readonly updates: readonly Host[];
    readonly apps: readonly Host[];
    readonly checks: readonly Host[];
    readonly streams: readonly Host[];
  };
}

export function makeZones(random: Random): Zones {
  const many = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
  const name = (): string => registered(random);
  const inside = (label: string, ip: string): Host => new Host(`${label}.${ownZone}`, 3600, ipv4(ip));
  const scanners = many(3, name);
  const lists = many(3, () => `${word(random, 2)}.${name()}`);
  const origin = `origin.asn.${name()}`;
  const user = name();
  const storage = `objects.${name()}`;
  const relay = `relay.${name()}`;
  const vpn = name();
  const telemetry = many(3, name);
  const content = many(6, name);
  const updates = name();
  return {
    own: wireName(ownZone),
    directory: wireName(`_msdcs.${ownZone}`),
    sites: wireName(`_sites.dc._msdcs.${ownZone}`),
    reverse: wireName('in-addr.arpa'),
    antivirus: [wireName(`a.e.${scanners[0]}`), wireName(`avs.${scanners[1]}`), wireName(`ext.${scanners[2]}`)],
    blockLists: lists.map(wireName),
    originList: wireName(origin),
    content: content.map(wireName),
    telemetry: telemetry.map((t) => wireName(`ingest.${t}`)),
    userSites: wireName(user),
    storage: wireName(storage),
    relay: wireName(relay),
    privateNetwork: wireName(`t.${vpn}`),
    senders: many(400, () => wireName(name())),
    allowed: [vpn],
    dataInNames: [...scanners, ...lists, origin, user, storage, relay, vpn, ...telemetry, ...content],
    hosts: {
      headEnd: inside('headend', '10.1.0.10'),
      recorder: inside('recorder', '10.1.0.20'),
      historian: inside('historian', '10.10.0.20'),
      lights: inside('lights', '10.10.0.30'),
      fleet: inside('fleet', '10.1.0.40'),
      time: inside('time', '10.1.0.123'),
      controllers: many(2, (i) => inside(`dc0${i + 1}`, `10.1.0.${5 + i}`)),
      publicTime: many(4, (i) => new Host(`${i}.pool.${word(random, 3)}.example`, 150)),
      firmware: many(3, () => new Host(`fw.${name()}`, 3600)),
      cameraCloud: many(4, () => new Host(`api.${name()}`, 300)),
      updates: many(12, (i) => new Host(`m${i}.update.${updates}`, 60)),
      apps: many(30, () => new Host(`${random.pick(['api', 'edge', 'graph', 'gw'])}.${name()}`, 60)),
      checks: many(3, () => new Host(`connectivity.${name()}`, 300)),
      streams: many(8, () => new Host(`stream.${name()}`, 120)),
    },
  };
}
