// Findings that share specific things become one incident with a story. Specific is what few findings share by chance: an
// asset, a subscriber, a zone cut, a hostile address. A thing that the city's own infrastructure is (a resolver, a broker)
// joins nothing, and a thing that many unrelated assets touch joins only while it is new.

import { createHash } from 'node:crypto';
import type { City } from '#city';
import type { AssetRef, Finding, Incident, Severity } from '#findings';
import { severities } from '#findings';
import { isUnder } from '#lib/domain';

/** Findings further apart than this share a thing by chance (microseconds). */
const WINDOW_MICROS = 30 * 86_400e6;
/** Roles that talk with everyone: sharing them says nothing. */
const hubRoles = new Set([
  'resolver',
  'dns-resolver',
  'time-server',
  'recorder',
  'broker',
  'head-end',
  'gateway',
  'domain-controller',
  'proxy',
]);
const STORY_STEPS_MAX = 200;
/** Order along the kill chain for steps of the same moment. */
const planeOrder: Record<string, number> = {
  dns: 0,
  signalling: 1,
  flow: 2,
  gateway: 3,
  power: 4,
  water: 4,
  transport: 4,
};

interface Group {
  readonly findings: Map<string, Finding>;
  readonly keys: Set<string>;
  dirty: boolean;
  incident: Incident | undefined;
}

export class Incidents {
  readonly #city: City;
  readonly #groups = new Set<Group>();
  readonly #byKey = new Map<string, { group: Group; lastAt: number }>();
  readonly #byFinding = new Map<string, Group>();

  constructor(city: City) {
    this.#city = city;
  }

  /** Takes a finding (again, where it grew). Findings below `low` tell nothing. */
  join(finding: Finding): void {
    if (finding.severity === 'info') return;
    const known = this.#byFinding.get(finding.id);
    const keys = this.#keys(finding);
    let group = known;
    for (const key of keys) {
      const entry = this.#byKey.get(key);
      if (entry === undefined || finding.firstAt - entry.lastAt > WINDOW_MICROS || entry.group === group) continue;
      group = group === undefined ? entry.group : this.#merge(group, entry.group);
    }
    if (group === undefined) {
      group = { findings: new Map(), keys: new Set(), dirty: true, incident: undefined };
      this.#groups.add(group);
    }
    group.findings.set(finding.id, finding);
    group.dirty = true;
    this.#byFinding.set(finding.id, group);
    for (const key of keys) {
      group.keys.add(key);
      this.#byKey.set(key, { group, lastAt: finding.lastAt });
    }
  }

  #merge(a: Group, b: Group): Group {
    const [into, from] = a.findings.size >= b.findings.size ? [a, b] : [b, a];
    for (const [id, f] of from.findings) {
      into.findings.set(id, f);
      this.#byFinding.set(id, into);
    }
    for (const key of from.keys) {
      into.keys.add(key);
      const entry = this.#byKey.get(key);
      if (entry !== undefined) this.#byKey.set(key, { group: into, lastAt: entry.lastAt });
    }
    into.dirty = true;
    this.#groups.delete(from);
    return into;
  }

  #keys(f: Finding): string[] {
    const keys: string[] = [];
    const asset = f.asset;
    const known =
      asset.id !== undefined
        ? this.#city.assetById(asset.id)
        : asset.ip !== undefined
          ? this.#city.assetByIp(asset.ip)
          : undefined;
    if (!hubRoles.has(known?.role ?? asset.role ?? '')) {
      if (known !== undefined) keys.push(`asset:${known.id}`);
      else if (asset.id !== undefined) keys.push(`asset:${asset.id}`);
      else if (asset.ip !== undefined) keys.push(`ip:${asset.ip}`);
      if (asset.imsi !== undefined) keys.push(`subscriber:${asset.imsi}`);
    }
    if (f.subject.type !== 'reading' && f.subject.type !== 'command')
      this.#push(keys, `${f.subject.type}:${f.subject.value}`);
    for (const link of f.links ?? []) this.#push(keys, link);
    return keys;
  }

  /** Adds a key unless it names the city's own infrastructure; an address of ours becomes its asset. */
  #push(keys: string[], key: string): void {
    const colon = key.indexOf(':');
    const type = key.slice(0, colon);
    const value = key.slice(colon + 1);
    if (type === 'zone' || type === 'service') return;
    if (type === 'ip' || type === 'asset') {
      const asset = type === 'ip' ? this.#city.assetByIp(value) : this.#city.assetById(value);
      if (asset !== undefined) {
        if (!hubRoles.has(asset.role)) keys.push(`asset:${asset.id}`);
        return;
      }
      if (this.#city.dns.resolvers.includes(value)) return;
    }
    if (type === 'domain' && isUnder(value, this.#city.dns.allow)) return;
    if (type === 'realm' && this.#city.signalling.realms.includes(value)) return;
    keys.push(key);
  }

  /** Incidents that changed since the last call. */
  changed(): Incident[] {
    const out: Incident[] = [];
    for (const group of this.#groups) {
      if (!group.dirty) continue;
      group.dirty = false;
      group.incident = tell(group);
      out.push(group.incident);
    }
    return out;
  }

  all(): Incident[] {
    this.changed();
    return [...this.#groups].map((g) => g.incident!).sort((a, b) => a.firstAt - b.firstAt || (a.id < b.id ? -1 : 1));
  }

  /** The incident a finding belongs to. */
  of(finding: string): Incident | undefined {
    const group = this.#byFinding.get(finding);
    if (group === undefined) return undefined;
    if (group.dirty) this.changed();
    return group.incident;
  }

  snapshot(): unknown {
    return { version: 1, groups: [...this.#groups].map((g) => [...g.findings.values()]) };
  }

  /** @throws Error where the version is not known */
  restore(state: unknown): void {
    const saved = state as { version: number; groups: Finding[][] };
    if (saved.version !== 1) throw new Error(`incident state of version ${saved.version} is not known`);
    this.#groups.clear();
    this.#byKey.clear();
    this.#byFinding.clear();
    for (const findings of saved.groups) for (const f of findings) this.join(f);
  }
}

function tell(group: Group): Incident {
  const findings = [...group.findings.values()].sort(
    (a, b) =>
      a.firstAt - b.firstAt || (planeOrder[a.plane] ?? 9) - (planeOrder[b.plane] ?? 9) || (a.id < b.id ? -1 : 1),
  );
  const first = findings[0]!;
  const assets = new Map<string, AssetRef>();
  for (const f of findings) assets.set(f.asset.id ?? f.asset.ip ?? f.asset.imsi ?? f.asset.host ?? '', f.asset);
  assets.delete('');
  const planes = [...new Set(findings.map((f) => f.plane))].sort();
  // Independent planes multiply their doubts; within a plane the strongest speaks.
  let doubt = 1;
  for (const plane of planes)
    doubt *= 1 - Math.max(...findings.filter((f) => f.plane === plane).map((f) => f.confidence));
  let severity: Severity = 'low';
  for (const f of findings) if (severities.indexOf(f.severity) > severities.indexOf(severity)) severity = f.severity;
  if (planes.length >= 3 && severity === 'high') severity = 'critical';
  const responses = new Map(findings.flatMap((f) => f.response).map((r) => [`${r.type}\u0000${r.record}`, r]));
  return {
    kind: 'incident',
    id: createHash('sha256').update(`incident\u0000${first.id}`).digest('hex').slice(0, 16),
    title: title(findings, assets.size),
    severity,
    confidence: Number((1 - doubt).toPrecision(6)),
    assets: [...assets.values()],
    planes,
    findings: findings.map((f) => f.id),
    firstAt: first.firstAt,
    lastAt: Math.max(...findings.map((f) => f.lastAt)),
    story: story(findings),
    techniques: [...new Set(findings.flatMap((f) => f.techniques))].sort(),
    response: [...responses.values()],
  };
}

/** Steps in order; a detector's repeats over many assets are told once with their number. */
function story(findings: readonly Finding[]): { at: number; text: string; finding: string }[] {
  const steps: { at: number; text: string; finding: string }[] = [];
  const told = new Map<string, { index: number; count: number; lastAt: number }>();
  for (const f of findings) {
    const key = `${f.detector}\u0000${f.subject.type}\u0000${['domain', 'ip', 'gt', 'realm'].includes(f.subject.type) ? f.subject.value : f.severity}`;
    const before = told.get(key);
    if (before !== undefined && f.firstAt - before.lastAt < 6 * 3600e6 && before.count >= 3) {
      before.count += 1;
      before.lastAt = f.firstAt;
      continue;
    }
    if (before === undefined) told.set(key, { index: steps.length, count: 1, lastAt: f.firstAt });
    else {
      before.count += 1;
      before.lastAt = f.firstAt;
      before.index = steps.length;
    }
    if (steps.length < STORY_STEPS_MAX) steps.push({ at: f.firstAt, text: f.title, finding: f.id });
  }
  for (const t of told.values())
    if (t.count > 3 && steps[t.index] !== undefined) {
      const step = steps[t.index]!;
      steps[t.index] = { ...step, text: `${sentence(step.text)} The same of ${t.count - 3} more.` };
    }
  return steps;
}

function title(findings: readonly Finding[], assetCount: number): string {
  if (findings.length === 1) return findings[0]!.title;
  const strongest = [...findings].sort(
    (a, b) =>
      severities.indexOf(b.severity) - severities.indexOf(a.severity) || b.bits - a.bits || a.firstAt - b.firstAt,
  )[0]!;
  const planes = new Set(findings.map((f) => f.plane)).size;
  return `${sentence(strongest.title)} ${findings.length} findings about ${assetCount} ${assetCount === 1 ? 'asset' : 'assets'}${planes > 1 ? ` on ${planes} planes` : ''} belong together.`;
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
