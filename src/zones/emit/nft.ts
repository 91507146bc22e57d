// A policy between zones as an nftables file: one table of our own, one chain of it, made anew in one transaction (nft -f is
// atomic) without touching the sets that quarantine fills while it runs. The quarantine comes before `ct state established`:
// behind it a running flow would go on. Rules are by addresses; an address that lies is for the switch to catch.
import type { City } from '#city';
import type { Range } from '../k8s/ranges.ts';
import { addressText } from '../k8s/ranges.ts';
import { Ground, type Group, groupText } from '../policy/ground.ts';
import type { ZonePolicy, ZoneRule } from '../policy/rules.ts';
import { PORTS_ALL, type Service, serviceName } from '../policy/service.ts';

export interface NftOptions {
  /** audit: log and count what no rule allows, and let it pass. enforce: drop it. */
  readonly mode: 'audit' | 'enforce';
  /** `parapet` unless told. */
  readonly table?: string;
}

/** Letters of a comment that nft takes (NFTNL_UDATA_COMMENT_MAXLEN is 128). */
const COMMENT_MAX = 120;
/** Rules and elements of one file. */
export const NFT_LINES_MAX = 200_000;

export function nftables(city: City, policy: ZonePolicy, options: NftOptions): string {
  const table = `inet ${options.table ?? 'parapet'}`;
  const ground = new Ground(city);
  const sets = new Sets(ground);
  const rules: string[] = [];
  for (const zone of zonesOf(city, ground))
    rules.push(...pairRules(sets, { zone }, { zone }, ['accept'], `within ${zone}`));
  for (const r of policy.rules) rules.push(...ruleLines(city, sets, r));
  const { mode } = options;
  const lines = [
    `# Zones and conduits of ${plain(city.name)}, policy ${plain(policy.name)}, mode ${mode}. Load: nft -f FILE; check first: nft -c -f FILE`,
    `add table ${table}`,
    ...quarantineSets(table),
    `add chain ${table} zones { type filter hook forward priority filter; policy ${mode === 'audit' ? 'accept' : 'drop'}; }`,
    `flush chain ${table} zones`,
    ...sets.lines(table),
    ...quarantineRules.map((r) => `add rule ${table} zones ${r}`),
    `add rule ${table} zones ct state established,related accept`,
    ...(mode === 'enforce' ? [`add rule ${table} zones ct state invalid counter drop comment "no known talk"`] : []),
    ...rules.map((r) => `add rule ${table} zones ${r}`),
    `add rule ${table} zones limit rate 10/second burst 20 packets log prefix "parapet-${mode}: "`,
    `add rule ${table} zones counter ${mode === 'audit' ? 'accept' : 'drop'} comment "no conduit allows it"`,
  ];
  return `${lines.join('\n')}\n`;
}

/** Filled by response/nft, or by hand; adding a set that is there changes nothing. */
function quarantineSets(table: string): string[] {
  return [
    `add set ${table} quarantine { type ipv4_addr; flags timeout; }`,
    `add set ${table} quarantine6 { type ipv6_addr; flags timeout; }`,
    `add set ${table} remediation { type ipv4_addr; }`,
    `add set ${table} remediation6 { type ipv6_addr; }`,
  ];
}
const quarantineRules = [
  'ip saddr @quarantine ip daddr != @remediation counter drop comment "quarantined"',
  'ip daddr @quarantine ip saddr != @remediation counter drop comment "quarantined"',
  'ip6 saddr @quarantine6 ip6 daddr != @remediation6 counter drop comment "quarantined"',
  'ip6 daddr @quarantine6 ip6 saddr != @remediation6 counter drop comment "quarantined"',
];

function ruleLines(city: City, sets: Sets, r: ZoneRule): string[] {
  const words = r.services.map((s) => serviceName(city, s)).join(', ');
  const comment = `${r.conduit}: ${words}`;
  return serviceMatches(r.services).flatMap((match) =>
    pairRules(sets, r.from, r.to, [match, 'counter accept'], comment),
  );
}

/** One rule a version that both groups have addresses of. */
function pairRules(sets: Sets, from: Group, to: Group, tail: readonly string[], comment: string): string[] {
  return ([4, 6] as const).flatMap((version) => {
    const family = version === 4 ? 'ip' : 'ip6';
    const a = sets.match(from, version);
    const b = sets.match(to, version);
    if (a === undefined || b === undefined) return [];
    // ICMP has a number of its own in IPv6.
    const words = tail.map((t) => (t === 'icmp' ? `meta l4proto ${version === 4 ? 'icmp' : 'ipv6-icmp'}` : t));
    return [`${family} saddr ${a} ${family} daddr ${b} ${words.join(' ')} comment "${quoted(comment)}"`];
  });
}

function serviceMatches(services: readonly Service[]): string[] {
  const out: string[] = [];
  for (const protocol of ['tcp', 'udp', 'sctp'] as const) {
    const own = services.filter((s) => s.protocol === protocol);
    if (own.length === 0) continue;
    if (own.some((s) => s.first === 1 && s.last === PORTS_ALL)) out.push(`meta l4proto ${protocol}`);
    else out.push(`${protocol} dport { ${spans(own)} }`);
  }
  if (services.some((s) => s.protocol === 'icmp')) out.push('icmp');
  return out;
}
/** Spans of an anonymous set must not overlap. */
function spans(services: readonly Service[]): string {
  const out: [number, number][] = [];
  for (const s of [...services].sort((a, b) => a.first - b.first)) {
    const before = out.at(-1);
    if (before !== undefined && s.first <= before[1] + 1) before[1] = Math.max(before[1], s.last);
    else out.push([s.first, s.last]);
  }
  return out.map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`)).join(', ');
}

/** Sets of addresses by group, made when first asked for. */
class Sets {
  readonly #ground: Ground;
  readonly #names = new Map<string, string>();
  readonly #elements = new Map<string, { version: 4 | 6; ranges: readonly Range[] }>();
  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** `@zone_field`, `!= @ours` for the outside; undefined where the group has no address of the version. */
  match(group: Group, version: 4 | 6): string | undefined {
    if (group.zone === this.#ground.outside && group.hosts === undefined && group.role === undefined) {
      this.#put('ours', version, this.#ground.ours(version));
      return `!= @${nameIn('ours', version)}`;
    }
    const ranges = this.#ground.rangesOf(group, version);
    if (ranges.length === 0) return undefined;
    const key = groupText(group);
    const name = this.#names.get(key) ?? this.#fresh(key);
    this.#names.set(key, name);
    this.#put(name, version, ranges);
    return `@${nameIn(name, version)}`;
  }
  #fresh(key: string): string {
    const base = `zone_${key.toLowerCase().replace(/[^a-z0-9]+/g, '_')}`.slice(0, 24).replace(/_+$/, '');
    const taken = new Set(this.#names.values());
    for (let n = 1; ; n++) {
      const name = n === 1 ? base : `${base}_${n}`;
      if (!taken.has(name)) return name;
    }
  }
  #put(name: string, version: 4 | 6, ranges: readonly Range[]): void {
    this.#elements.set(nameIn(name, version), { version, ranges });
  }
  lines(table: string): string[] {
    return [...this.#elements].flatMap(([name, { version, ranges }]) => [
      // No timeouts here; and no auto-merge, which with them fuses neighbours into phantom ranges (dl12345/mwan3#10).
      `add set ${table} ${name} { type ipv${version}_addr; flags interval; }`,
      `flush set ${table} ${name}`,
      ...chunks(ranges, 500).map((part) => `add element ${table} ${name} { ${part.map(element).join(', ')} }`),
    ]);
  }
}

const nameIn = (name: string, version: 4 | 6): string => (version === 4 ? name : `${name}6`);
const element = (r: Range): string => {
  const first = addressText(r.version, r.first);
  return r.first === r.last ? first : `${first}-${addressText(r.version, r.last)}`;
};
function chunks<T>(list: readonly T[], size: number): T[][] {
  const out: T[][] = [];
  for (let i = 0; i < list.length; i += size) out.push(list.slice(i, i + size) as T[]);
  return out;
}
function zonesOf(city: City, ground: Ground): string[] {
  const names = new Set([
    ...city.zones.keys(),
    ...(city.file.networks ?? []).map((n) => n.zone ?? n.name),
    ...city.assets.map((a) => a.zone).filter((z) => z !== ''),
  ]);
  names.delete(ground.outside);
  return [...names].sort();
}
/** Names come from a file that people write: nothing of it may end a comment or a line. */
const plain = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?');
const quoted = (text: string): string => plain(text).replace(/["\\]/g, "'").slice(0, COMMENT_MAX);
