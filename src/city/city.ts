// What the city says of itself: assets, zones, networks and identities, with the look-ups that detectors need.

import { formatAddress, parseAddress } from '#lib/address';
import { canonicalDomain } from '#lib/domain';

export interface Asset {
  readonly id: string;
  readonly role: string;
  readonly zone: string;
  readonly ip: string;
  readonly mac: string;
  readonly imsi: string;
  readonly msisdn: string;
  readonly host: string;
  readonly apn: string;
  /** Quantities this asset's readings feed, e.g. `power/load/12/p`. */
  readonly feeds: readonly string[];
}
export interface Zone {
  readonly name: string;
  /** Purdue level: 0-2 field and control, 3 operations and twins, 4 enterprise, 5 outside. */
  readonly level: number;
}
export interface Conduit {
  readonly from: string;
  readonly to: string;
  readonly services: readonly string[];
}
export interface Partner {
  readonly plmn: readonly string[];
  readonly gtPrefixes: readonly string[];
  readonly realms: readonly string[];
  readonly gtpNodes: readonly string[];
}
export interface SignallingPlan extends Partner {
  readonly apns: readonly string[];
  readonly partners: readonly Partner[];
}

/** city.yaml as plain data, checked against city.schema.json. */
export interface CityFile {
  city?: string;
  networks?: { name: string; cidr: string; zone?: string }[];
  zones?: { name: string; level: number }[];
  conduits?: { from: string; to: string; services: string[] }[];
  services?: Record<string, string>;
  assets?: Partial<Asset>[];
  dns?: {
    resolvers?: string[];
    protected?: string[];
    allow?: string[];
    signed?: string[];
    anchors?: string[];
    insecure?: string[];
  };
  inputs?: string[];
  /** Flow exporters that don't tell their sampling: packets for each one counted, 1 where none are left out. */
  exporters?: { cidr: string; sampling: number }[];
  /** A signed list of names of bandwidth-selling services, and the key it is signed with: files. */
  proxyware?: { list: string; key: string };
  signalling?: Partial<Omit<SignallingPlan, 'partners'>> & { partners?: Partial<Partner>[] };
  twins?: { power?: { model: string; readings?: string; commands?: string }; [name: string]: unknown };
  gateway?: Record<string, unknown>;
  response?: {
    mode?: 'observe' | 'propose' | 'enforce';
    ttl?: string;
    never?: string[];
    /** Read by the room that answers (src/response). */
    rpz?: Record<string, unknown>;
    nft?: Record<string, unknown>;
  };
  store?: { dir?: string; keep?: string };
  bus?: Record<string, unknown>;
}

interface Network {
  readonly words: Uint32Array;
  readonly mask: Uint32Array;
  readonly bits: number;
  readonly zone: string;
}

/** Ours where city.yaml names no networks: RFC 1918, RFC 6598, loopback, link-local, unique local. */
export const privateRanges = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  '127.0.0.0/8',
  'fc00::/7',
  'fe80::/10',
  '::1/128',
];

export class City {
  readonly name: string;
  readonly assets: readonly Asset[];
  readonly zones: ReadonlyMap<string, Zone>;
  readonly conduits: readonly Conduit[];
  /** Service name to `tcp/8883`. */
  readonly services: ReadonlyMap<string, string>;
  readonly dns: {
    readonly resolvers: readonly string[];
    /** These two in canonical form, for `isUnder`. */
    readonly protected: readonly string[];
    readonly allow: readonly string[];
    readonly signed: readonly string[];
  };
  readonly signalling: SignallingPlan;
  /** Content of the files under `proxyware`; whether it is sound is for its detector to say. */
  readonly proxyware: { readonly list: string; readonly key: string } | undefined;
  /** The file as read, for the rooms that own the remaining sections. */
  readonly file: CityFile;
  /** Folder that relative paths in the file start from. */
  readonly dir: string;
  readonly #networks: readonly Network[];
  readonly #ours: readonly Network[];
  readonly #exporters: readonly (Network & { readonly sampling: number })[];
  readonly #byIp = new Map<string, Asset>();
  readonly #byImsi = new Map<string, Asset>();
  readonly #byMsisdn = new Map<string, Asset>();
  readonly #byId = new Map<string, Asset>();

  constructor(file: CityFile, dir: string, proxyware?: { list: string; key: string }) {
    this.file = file;
    this.proxyware = proxyware;
    this.dir = dir;
    this.name = file.city ?? 'city';
    this.zones = new Map((file.zones ?? []).map((z) => [z.name, z]));
    this.conduits = file.conduits ?? [];
    this.services = new Map(Object.entries(file.services ?? {}));
    this.assets = (file.assets ?? []).map((a, i) => ({
      id: a.id ?? `asset-${i + 1}`,
      role: a.role ?? '',
      zone: a.zone ?? '',
      ip: a.ip ?? '',
      mac: a.mac ?? '',
      imsi: a.imsi ?? '',
      msisdn: a.msisdn ?? '',
      host: a.host ?? '',
      apn: a.apn ?? '',
      feeds: a.feeds ?? [],
    }));
    for (const asset of this.assets) {
      this.#byId.set(asset.id, asset);
      if (asset.ip !== '') this.#byIp.set(canonical(asset.ip), asset);
      if (asset.imsi !== '') this.#byImsi.set(asset.imsi, asset);
      if (asset.msisdn !== '') this.#byMsisdn.set(asset.msisdn, asset);
    }
    const d = file.dns ?? {};
    this.dns = {
      resolvers: d.resolvers ?? [],
      protected: (d.protected ?? []).map(canonicalDomain),
      allow: (d.allow ?? []).map(canonicalDomain),
      signed: d.signed ?? [],
    };
    const s = file.signalling ?? {};
    this.signalling = { ...partner(s), apns: s.apns ?? [], partners: (s.partners ?? []).map(partner) };
    this.#networks = (file.networks ?? [])
      .map((n) => network(n.cidr, n.zone ?? n.name))
      .sort((a, b) => b.bits - a.bits);
    this.#exporters = (file.exporters ?? [])
      .map((e) => ({ ...network(e.cidr, ''), sampling: e.sampling }))
      .sort((a, b) => b.bits - a.bits);
    this.#ours = [...this.#networks, ...privateRanges.map((r) => network(r, ''))];
  }

  assetById(id: string): Asset | undefined {
    return this.#byId.get(id);
  }
  /** By the text of an address, any spelling. */
  assetByIp(ip: string): Asset | undefined {
    return this.#byIp.get(ip) ?? this.#byIp.get(canonical(ip));
  }
  /** By four address words at `at` (lib/address). Makes a string: for first sight of an address, not per packet. */
  assetByAddress(words: Uint32Array, at: number): Asset | undefined {
    return this.#byIp.size === 0 ? undefined : this.#byIp.get(formatAddress(words, at));
  }
  assetByImsi(imsi: string): Asset | undefined {
    return this.#byImsi.get(imsi);
  }
  assetByMsisdn(msisdn: string): Asset | undefined {
    return this.#byMsisdn.get(msisdn);
  }
  /** Zone name of an address: its asset's, else its network's, else ''. */
  zoneOf(words: Uint32Array, at: number): string {
    const asset = this.assetByAddress(words, at);
    if (asset !== undefined && asset.zone !== '') return asset.zone;
    for (const n of this.#networks) if (inside(n, words, at)) return n.zone;
    return '';
  }
  /** Packets for each one that the flow exporter at this address counts, by city.yaml; 0 where it says nothing. */
  samplingOf(words: Uint32Array, at: number): number {
    for (const e of this.#exporters) if (inside(e, words, at)) return e.sampling;
    return 0;
  }
  /** Whether the address lies in the city's networks or in a private range. */
  isOurs(words: Uint32Array, at: number): boolean {
    for (const n of this.#ours) if (inside(n, words, at)) return true;
    return false;
  }
  /** Whether city.yaml has a conduit from zone to zone for `tcp/8883`-style service (same zone always may). */
  mayTalk(from: string, to: string, service: string): boolean {
    if (from === to) return true;
    return this.conduits.some(
      (c) =>
        c.from === from && c.to === to && c.services.some((s) => s === service || this.services.get(s) === service),
    );
  }
}

function partner(p: Partial<Partner>): Partner {
  return {
    plmn: p.plmn ?? [],
    gtPrefixes: p.gtPrefixes ?? [],
    realms: (p.realms ?? []).map((r) => r.toLowerCase()),
    gtpNodes: p.gtpNodes ?? [],
  };
}

function canonical(ip: string): string {
  const words = new Uint32Array(4);
  return parseAddress(ip, words, 0) ? formatAddress(words, 0) : ip;
}

/** Whether the text is an address, or one with a prefix length that it can have. */
export function isRange(cidr: string): boolean {
  const [ip = '', length] = cidr.split('/');
  const most = ip.includes(':') ? 128 : 32;
  return parseAddress(ip, new Uint32Array(4), 0) && (length === undefined || Number(length) <= most);
}

/** @throws RangeError where the text is no CIDR range; city.yaml is checked before. */
function network(cidr: string, zone: string): Network {
  if (!isRange(cidr)) throw new RangeError(`not an address range: ${cidr}`);
  const [ip = '', length] = cidr.split('/');
  const words = new Uint32Array(4);
  parseAddress(ip, words, 0);
  const own = length === undefined ? (ip.includes(':') ? 128 : 32) : Number(length);
  const bits = ip.includes(':') ? own : own + 96;
  const mask = new Uint32Array(4);
  for (let i = 0; i < 4; i++) {
    const in4 = Math.min(Math.max(bits - 32 * i, 0), 32);
    mask[i] = in4 === 0 ? 0 : (0xffffffff << (32 - in4)) >>> 0;
  }
  return { words, mask, bits, zone };
}

function inside(n: Network, words: Uint32Array, at: number): boolean {
  for (let i = 0; i < 4; i++) if (((words[at + i]! ^ n.words[i]!) & n.mask[i]!) !== 0) return false;
  return true;
}
