// The text that nft gets: our table's sets and chains, and changes of elements. One file is one transaction: all of it or
// nothing. Nothing of anyone else's is named, and `flush ruleset` never.
import { type Element, setOf } from './record.ts';

export interface Wall {
  readonly table: string;
  /** Hosts a quarantined device may reach and be reached by. */
  readonly remediation: readonly { readonly version: 4 | 6; readonly address: string }[];
}

/** Sets whose members end by themselves. Without `flags timeout` an entry would stay for ever (crowdsecurity/cs-firewall-bouncer#82, firewalld/firewalld#699). */
export const timedSets = ['quarantine', 'quarantine6', 'blocked', 'blocked6', 'denied', 'denied6'] as const;
const chains = ['wall_forward', 'wall_input', 'wall_output'] as const;
/** After conntrack (-200), before every filter chain (0): a drop is final whatever others accept, and no `ct state established` of theirs comes first. */
const PRIORITY = -150;

const typeOf = (set: string): string => {
  const address = set.endsWith('6') ? 'ipv6_addr' : 'ipv4_addr';
  return set.startsWith('denied') ? `${address} . ${address}` : address;
};

/** The rules of each chain, in order, with the comment by which they are known again. */
export const wallRules: readonly { readonly comment: string; readonly rule: string }[] = [
  // A quarantined IPv6 device still has to find the router that leads to the remediation host (RFC 4861).
  {
    comment: 'parapet neighbour discovery',
    rule: 'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } accept',
  },
  { comment: 'parapet quarantine from', rule: 'ip saddr @quarantine ip daddr != @remediation counter drop' },
  { comment: 'parapet quarantine to', rule: 'ip daddr @quarantine ip saddr != @remediation counter drop' },
  { comment: 'parapet quarantine6 from', rule: 'ip6 saddr @quarantine6 ip6 daddr != @remediation6 counter drop' },
  { comment: 'parapet quarantine6 to', rule: 'ip6 daddr @quarantine6 ip6 saddr != @remediation6 counter drop' },
  { comment: 'parapet blocked to', rule: 'ip daddr @blocked counter drop' },
  { comment: 'parapet blocked from', rule: 'ip saddr @blocked counter drop' },
  { comment: 'parapet blocked6 to', rule: 'ip6 daddr @blocked6 counter drop' },
  { comment: 'parapet blocked6 from', rule: 'ip6 saddr @blocked6 counter drop' },
  { comment: 'parapet denied', rule: 'ip saddr . ip daddr @denied counter drop' },
  { comment: 'parapet denied back', rule: 'ip daddr . ip saddr @denied counter drop' },
  { comment: 'parapet denied6', rule: 'ip6 saddr . ip6 daddr @denied6 counter drop' },
  { comment: 'parapet denied6 back', rule: 'ip6 daddr . ip6 saddr @denied6 counter drop' },
];
export const wallChains: readonly string[] = chains;

/** Table, sets and rules; leaves elements as they are, and may be given again and again. */
export function baseLines(wall: Wall): string[] {
  const t = `inet ${wall.table}`;
  const lines = [`add table ${t}`];
  for (const set of timedSets) lines.push(`add set ${t} ${set} { type ${typeOf(set)}; flags timeout; }`);
  for (const set of ['remediation', 'remediation6'] as const) {
    lines.push(`add set ${t} ${set} { type ${typeOf(set)}; }`, `flush set ${t} ${set}`);
    const hosts = wall.remediation.filter((r) => (r.version === 6) === (set === 'remediation6'));
    if (hosts.length > 0) lines.push(`add element ${t} ${set} { ${hosts.map((h) => h.address).join(', ')} }`);
  }
  for (const chain of chains) {
    const hook = chain.replace('wall_', '');
    lines.push(
      `add chain ${t} ${chain} { type filter hook ${hook} priority ${PRIORITY}; policy accept; }`,
      `flush chain ${t} ${chain}`,
    );
    for (const { comment, rule } of wallRules) lines.push(`add rule ${t} ${chain} ${rule} comment "${comment}"`);
  }
  return lines;
}

/**
 * Puts an element in with so long to live, whether it is there or not. Adding one again did not renew its time before Linux
 * 6.12, and deleting one that is not there fails: so add, delete, add, in the one transaction.
 */
export function putLines(table: string, e: Element, timeoutMs: number): string[] {
  const place = `element inet ${table} ${setOf(e)}`;
  const text = e.addresses.join(' . ');
  // nft 1.0.6 takes ms in text; the kernel counts in ms.
  const timed = `{ ${text} timeout ${Math.max(1, Math.ceil(timeoutMs))}ms }`;
  return [`add ${place} ${timed}`, `delete ${place} { ${text} }`, `add ${place} ${timed}`];
}

/** Takes an element out, whether it is there or not. */
export function dropLines(table: string, e: Element): string[] {
  const place = `element inet ${table} ${setOf(e)}`;
  const text = e.addresses.join(' . ');
  return [`add ${place} { ${text} timeout 1s }`, `delete ${place} { ${text} }`];
}
