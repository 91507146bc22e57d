// Findings, incidents and actions as one STIX 2.1 bundle. A finding is observed-data (what was seen, on whom) and, where it
// would have others block something, an indicator with a sighting; an incident is a report; a record to install is a
// course-of-action. STIX has no place for bits, trust or proofs: they ride in the custom property `x_parapet`. The incident
// object of STIX 2.1 is a stub without fields, and the published bundle schema takes neither it nor extension-definition.
//
// Ids are UUIDs of version 5, so that the same input gives the same bundle: observables in the namespace and by the
// properties that section 2.9 of STIX 2.1 names, all others in one of ours by our own ids. The operator's name
// (`Action.by`) stays in the house: bundles are shared.
import { createHash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { canonical } from './address.ts';
import { techniqueOf, techniqueUrl } from './attack.ts';
import type { Action, Incident } from './claims.ts';
import type { AssetRef, Finding, ResponseRecord } from './finding.ts';
import { isoTime } from './json.ts';

export interface StixInput {
  readonly findings: readonly Finding[];
  readonly incidents: readonly Incident[];
  readonly actions: readonly Action[];
  /** Event time the input was read up to, microseconds. */
  readonly at: number;
}

type StixObject = { readonly type: string; readonly id: string; readonly [key: string]: unknown };

/** STIX 2.1, section 2.9: the namespace of observables. */
const observableNamespace = '00abedb4-aa42-466c-9c01-fed23315a9b7';
const ownNamespace = '5d0c1f5e-8a4b-5c7e-9f3d-706172617065';
/** Objects that are the same in every bundle (identity, techniques, tools, records) were made when this mapping was. */
const mappedAt = isoTime(Date.UTC(2026, 0, 1) * 1000);
/** STIX 2.1, `number_observed` and `count`. */
const observedMax = 999_999_999;

/** The bundle; without findings it holds our identity alone, since an empty one is not allowed. */
export function stixBundle(input: StixInput): object {
  const bundle = new Bundle();
  const shown = new Map<string, Told>();
  for (const f of input.findings) shown.set(f.id, tellFinding(bundle, f));
  for (const a of input.actions) tellAction(bundle, a, shown);
  for (const i of input.incidents) tellIncident(bundle, i, shown);
  const objects = [...bundle.objects.values()];
  const id = uuid5(ownNamespace, ['bundle', isoTime(input.at), ...objects.map((o) => o.id)].join('\u0000'));
  return { type: 'bundle', id: `bundle--${id}`, objects };
}

/** Where a finding stands in the bundle. */
interface Told {
  /** The indicator, or the observed-data where there is none. */
  readonly claim: string;
  readonly refs: readonly string[];
}

class Bundle {
  readonly objects = new Map<string, StixObject>();
  readonly author: string;

  constructor() {
    this.author = idOf('identity', 'parapet');
    this.#put({ type: 'identity', ...this.#times(this.author, mappedAt), name: 'Parapet', identity_class: 'system' });
  }

  /** A domain object or relationship of ours; the first of an id stays. */
  own(type: string, key: string, created: string, modified: string, fields: Readonly<Record<string, unknown>>): string {
    const id = idOf(type, key);
    return this.#put({ type, ...this.#times(id, created, modified), created_by_ref: this.author, ...fields });
  }

  link(source: string, kind: string, target: string, at: string): string {
    const fields = { relationship_type: kind, source_ref: source, target_ref: target };
    return this.own('relationship', [kind, source, target].join('\u0000'), at, at, fields);
  }

  observable(type: string, key: Readonly<Record<string, string>>): string {
    const id = `${type}--${uuid5(observableNamespace, JSON.stringify(key))}`;
    return this.#put({ type, spec_version: '2.1', id, ...key });
  }

  #times(id: string, created: string, modified = created): Omit<StixObject, 'type'> & { id: string } {
    return { spec_version: '2.1', id, created, modified };
  }

  #put(object: StixObject): string {
    if (!this.objects.has(object.id)) this.objects.set(object.id, object);
    return object.id;
  }
}

function tellFinding(b: Bundle, f: Finding): Told {
  const created = isoTime(f.at);
  const modified = isoTime(Math.max(f.at, f.lastAt));
  const first = isoTime(Math.min(f.firstAt, f.lastAt));
  const last = isoTime(Math.max(f.firstAt, f.lastAt));
  const confidence = percentOf(f.confidence);
  const seen = [...new Set([...observablesOf(b, f.asset), ...subjectOf(b, f), ...filesOf(b, f)])];
  const number = Math.min(Math.max(1, Math.round(Number.isFinite(f.count) ? f.count : 1)), observedMax);
  const data = b.own('observed-data', f.id, created, modified, {
    first_observed: first,
    last_observed: last,
    number_observed: number,
    object_refs: seen,
    confidence,
    x_parapet: restOf(f),
  });
  const pattern = f.response.length === 0 ? undefined : patternOf(f);
  const refs = [data, ...seen];
  let claim = data;
  if (pattern !== undefined) {
    claim = b.own('indicator', f.id, created, modified, {
      name: f.title,
      description: f.reasons.map((r) => r.text).join(' '),
      indicator_types: ['malicious-activity'],
      pattern,
      pattern_type: 'stix',
      pattern_version: '2.1',
      valid_from: created,
      confidence,
    });
    const sighting = b.own('sighting', f.id, created, modified, {
      sighting_of_ref: claim,
      observed_data_refs: [data],
      first_seen: first,
      last_seen: last,
      count: number,
    });
    refs.push(claim, sighting);
  }
  const kind = pattern === undefined ? 'related-to' : 'indicates';
  for (const t of [...techniquesOf(b, f.techniques), ...toolOf(b, f.tool)])
    refs.push(t, b.link(claim, kind, t, created));
  for (const r of f.response) {
    const record = recordOf(b, r);
    refs.push(record, b.link(record, pattern === undefined ? 'related-to' : 'mitigates', claim, created));
  }
  return { claim, refs };
}

/** The story as a report on the findings that are in the bundle. */
function tellIncident(b: Bundle, i: Incident, shown: ReadonlyMap<string, Told>): void {
  const refs = new Set(i.findings.flatMap((id) => shown.get(id)?.refs ?? []));
  for (const t of techniquesOf(b, i.techniques)) refs.add(t);
  for (const r of i.response) refs.add(recordOf(b, r));
  if (refs.size === 0) refs.add(b.author);
  b.own('report', i.id, isoTime(Math.min(i.firstAt, i.lastAt)), isoTime(Math.max(i.firstAt, i.lastAt)), {
    name: i.title,
    description: i.story.map((s) => `${isoTime(s.at)} ${s.text}`).join('\n'),
    report_types: ['observed-data'],
    published: isoTime(Math.max(i.firstAt, i.lastAt)),
    object_refs: [...refs],
    confidence: percentOf(i.confidence),
    x_parapet: {
      id: i.id,
      severity: i.severity,
      planes: i.planes,
      assets: i.assets,
      findings: i.findings,
      story: i.story.map((s) => ({ ...s, at: isoTime(s.at) })),
      response: i.response,
    },
  });
}

function tellAction(b: Bundle, a: Action, shown: ReadonlyMap<string, Told>): void {
  const at = isoTime(a.at);
  const id = b.own('course-of-action', `action ${a.id} ${a.state}`, at, at, {
    name: `${a.enforcer}: ${a.subject}, ${a.state}`,
    description: a.text,
    x_parapet: {
      id: a.id,
      state: a.state,
      enforcer: a.enforcer,
      records: a.records,
      ...(a.client === undefined ? {} : { client: a.client }),
      ...(a.until === undefined ? {} : { until: isoTime(a.until) }),
      because: a.because,
      proofs: a.proofs.map((p) => ({ ...p, at: isoTime(p.at) })),
    },
  });
  for (const finding of a.because) {
    const told = shown.get(finding);
    if (told === undefined) continue;
    b.link(id, told.claim.startsWith('indicator--') ? 'mitigates' : 'related-to', told.claim, at);
  }
}

function observablesOf(b: Bundle, a: AssetRef): string[] {
  const out: string[] = [];
  if (a.ip !== undefined) out.push(addressOf(b, a.ip));
  const mac = a.mac?.toLowerCase();
  if (mac !== undefined && /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac))
    out.push(b.observable('mac-addr', { value: mac }));
  for (const key of ['id', 'imsi', 'host'] as const) {
    const value = a[key];
    if (value !== undefined && value !== '') out.push(entity(b, key === 'id' ? 'asset' : key, value));
  }
  return out;
}

function subjectOf(b: Bundle, f: Finding): string[] {
  const { type, value } = f.subject;
  if (type === 'domain' && isDomain(value)) return [b.observable('domain-name', { value })];
  if (type === 'ip') return [addressOf(b, value)];
  return [entity(b, type, value)];
}

function filesOf(b: Bundle, f: Finding): string[] {
  const names = f.evidence.map((e) => e.file.slice(e.file.lastIndexOf('/') + 1)).filter((n) => n !== '');
  return [...new Set(names)].map((name) => b.observable('file', { name }));
}

function addressOf(b: Bundle, ip: string): string {
  const value = canonical(ip);
  if (value === undefined) return entity(b, 'ip', ip);
  return b.observable(isIPv4(value) ? 'ipv4-addr' : 'ipv6-addr', { value });
}

/** What STIX has no observable for: an asset of the city, a global title, a realm, a reading. */
function entity(b: Bundle, kind: string, value: string): string {
  return b.observable('x-parapet-entity', { entity_type: kind, value });
}

/** A name a resolver could be asked for; a tunnel without a zone cut has a pattern instead (`paaa.*`). */
function isDomain(value: string): boolean {
  return value !== '' && value.length <= 253 && !/[*\s]/.test(value);
}

/** What others would match on: the address, or the zone cut and all below it. */
function patternOf(f: Finding): string | undefined {
  const { type, value } = f.subject;
  if (type === 'domain' && isDomain(value))
    return `[domain-name:value = ${quoted(value)} OR domain-name:value ${belowOf(value)}]`;
  const ip = type === 'ip' ? canonical(value) : undefined;
  return ip === undefined ? undefined : `[${isIPv4(ip) ? 'ipv4' : 'ipv6'}-addr:value = ${quoted(ip)}]`;
}

/** LIKE has wildcards but no escape (STIX 2.1, section 9.6.1), so a name that holds one is matched as a pattern instead. */
function belowOf(domain: string): string {
  if (!/[%_]/.test(domain)) return `LIKE ${quoted(`%.${domain}`)}`;
  return `MATCHES ${quoted(`\\.${domain.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')}$`)}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function techniquesOf(b: Bundle, techniques: readonly string[]): string[] {
  return techniques.map((id) => {
    const url = techniqueUrl(id);
    return b.own('attack-pattern', id, mappedAt, mappedAt, {
      name: techniqueOf(id).name ?? id,
      external_references: [{ source_name: 'mitre-attack', external_id: id, ...(url === undefined ? {} : { url }) }],
    });
  });
}

function toolOf(b: Bundle, tool: string | undefined): string[] {
  return tool === undefined || tool === '' ? [] : [b.own('tool', tool, mappedAt, mappedAt, { name: tool })];
}

function recordOf(b: Bundle, r: ResponseRecord): string {
  const x_parapet = { type: r.type, record: r.record };
  return b.own('course-of-action', `${r.type} ${r.record}`, mappedAt, mappedAt, {
    name: `${r.type}: ${r.record}`,
    description: r.record,
    x_parapet,
  });
}

/** All of a finding that has no place in STIX. */
function restOf(f: Finding): object {
  const { kind: _kind, confidence: _confidence, firstAt, at, lastAt, ...rest } = f;
  return { ...rest, firstAt: isoTime(firstAt), at: isoTime(at), lastAt: isoTime(lastAt) };
}

function percentOf(confidence: number): number {
  return Math.round(100 * Math.min(Math.max(Number.isFinite(confidence) ? confidence : 0, 0), 1));
}

function idOf(type: string, key: string): string {
  return `${type}--${uuid5(ownNamespace, `${type}\u0000${key}`)}`;
}

/** RFC 9562, section 5.5: SHA-1 of namespace and name, with version and variant set. */
export function uuid5(namespace: string, name: string): string {
  const hash = createHash('sha1')
    .update(Buffer.from(namespace.replaceAll('-', ''), 'hex'))
    .update(name)
    .digest();
  hash[6] = (hash[6]! & 0x0f) | 0x50;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
