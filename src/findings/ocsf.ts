// Findings, incidents and actions as OCSF 1.9.0-dev events: Detection Finding (class 2004) and Incident Finding (class
// 2005). Times are milliseconds there; ours, in microseconds, stay in `unmapped` with all else that OCSF has no place for.
import { canonical } from './address.ts';
import { techniqueOf } from './attack.ts';
import type { Action, Incident } from './claims.ts';
import { type AssetRef, atLeast, type Evidence, type Finding, type Severity, severities } from './finding.ts';
import { isoTime } from './json.ts';

const version = '1.9.0-dev';

/** Analytic types: 1 rule, 2 behavioural, 3 statistical. What physics finds is a residual; what the gateway finds, a rule. */
const analyticTypes: Readonly<Record<Finding['plane'], number>> = {
  dns: 2,
  flow: 2,
  signalling: 2,
  power: 3,
  water: 3,
  transport: 3,
  gateway: 1,
};

/** One OCSF event, ready for JSON. */
export function ocsfOf(record: Finding | Incident | Action): object {
  if (record.kind === 'finding') return ofFinding(record);
  return record.kind === 'incident' ? ofIncident(record) : ofAction(record);
}

function ofFinding(f: Finding): object {
  return compact({
    ...head(2004, 'Detection Finding', 1, f.id, f.at),
    ...span(f.firstAt, f.lastAt),
    ...gravity(f.severity, f.confidence),
    is_alert: atLeast(f.severity, 'medium'),
    status_id: 1,
    status: 'New',
    message: f.title,
    count: wholeOf(f.count),
    finding_info: {
      uid: f.id,
      title: f.title,
      desc: f.reasons.map((r) => r.text).join(' '),
      types: [f.plane, f.family],
      created_time: millis(f.at),
      first_seen_time: millis(f.firstAt),
      last_seen_time: millis(f.lastAt),
      analytic: { uid: f.detector, name: f.detector, category: f.family, type_id: analyticTypes[f.plane] },
      attacks: attacksOf(f.techniques),
      data_sources: [...new Set(f.evidence.map((e) => e.file))],
    },
    evidences: f.evidence.map(evidenceOf),
    resources: resourcesOf([f.asset]),
    observables: [
      ...(f.subject.value === '' ? [] : [observable('unmapped.subject.value', f.subject.type, f.subject.value)]),
      ...assetObservables('resources[0]', f.asset),
    ],
    remediation:
      f.response.length === 0 ? undefined : { desc: f.response.map((r) => `${r.type}: ${r.record}`).join('\n') },
    unmapped: compact({
      plane: f.plane,
      bits: f.bits,
      trustBits: f.trustBits,
      subject: f.subject,
      asset: f.asset,
      firstAt: isoTime(f.firstAt),
      at: isoTime(f.at),
      lastAt: isoTime(f.lastAt),
      tool: f.tool,
      leakedBytes: f.leakedBytes,
      leakedBytesAtAlert: f.leakedBytesAtAlert,
      reasons: f.reasons.map((r) => compact({ ...r })),
      response: f.response,
      links: f.links,
    }),
  });
}

function ofIncident(i: Incident): object {
  const told = new Map(i.story.map((s) => [s.finding, s.text]));
  return compact({
    ...head(2005, 'Incident Finding', 1, i.id, i.lastAt),
    ...span(i.firstAt, i.lastAt),
    ...gravity(i.severity, i.confidence),
    is_alert: atLeast(i.severity, 'medium'),
    status_id: 1,
    status: 'New',
    message: i.title,
    desc: i.story.map((s) => `${isoTime(s.at)} ${s.text}`).join('\n'),
    count: i.findings.length,
    // The class wants someone who has it in hand; nobody has when it is made.
    assignee_group: { name: 'unassigned' },
    finding_info_list: (i.findings.length === 0 ? [i.id] : i.findings).map((uid) =>
      compact({ uid, title: told.get(uid), types: i.planes }),
    ),
    attacks: attacksOf(i.techniques),
    observables: i.assets.flatMap((a, n) => assetObservables(`unmapped.assets[${n}]`, a)),
    unmapped: compact({
      planes: i.planes,
      assets: i.assets,
      firstAt: isoTime(i.firstAt),
      lastAt: isoTime(i.lastAt),
      story: i.story.map((s) => ({ ...s, at: isoTime(s.at) })),
      response: i.response,
    }),
  });
}

/** Per state: OCSF's activity, status, and the action and disposition of the security_control profile. */
const stateOf = {
  proposed: { activity: 1, status: [1, 'New'], action: [3, 'Observed'], disposition: [16, 'No Action'] },
  enforced: { activity: 2, status: [2, 'In Progress'], action: [2, 'Denied'], disposition: [2, 'Blocked'] },
  undone: { activity: 3, status: [4, 'Resolved'], action: [1, 'Allowed'], disposition: [9, 'Restored'] },
  expired: { activity: 3, status: [4, 'Resolved'], action: [1, 'Allowed'], disposition: [9, 'Restored'] },
  refused: { activity: 3, status: [5, 'Archived'], action: [3, 'Observed'], disposition: [16, 'No Action'] },
} as const;

/** What was done about findings is told as a detection finding of its own, which names them as related. */
function ofAction(a: Action): object {
  const state = stateOf[a.state];
  return compact({
    ...head(2004, 'Detection Finding', state.activity, a.id, a.at, ['security_control']),
    severity_id: 1,
    severity: 'Informational',
    is_alert: false,
    status_id: state.status[0],
    status: state.status[1],
    action_id: state.action[0],
    action: state.action[1],
    disposition_id: state.disposition[0],
    disposition: state.disposition[1],
    message: a.text,
    finding_info: {
      uid: a.id,
      title: `${a.enforcer}: ${a.subject}, ${a.state}`,
      desc: a.text,
      types: ['response'],
      created_time: millis(a.at),
      related_events: a.because.map((uid) => ({ uid })),
      related_events_count: a.because.length,
    },
    evidences: a.proofs.map((p) => ({ name: p.consumer, data: { ...p, at: isoTime(p.at) } })),
    observables: a.client === undefined ? [] : [observable('unmapped.client', 'ip', a.client)],
    remediation: { desc: a.records.map((r) => `${r.type}: ${r.record}`).join('\n') },
    unmapped: compact({
      at: isoTime(a.at),
      enforcer: a.enforcer,
      state: a.state,
      subject: a.subject,
      client: a.client,
      until: a.until === undefined ? undefined : isoTime(a.until),
      by: a.by,
      records: a.records,
    }),
  });
}

const activityNames = ['Unknown', 'Create', 'Update', 'Close'];

function head(uid: number, name: string, activity: number, id: string, at: number, profiles?: string[]): object {
  return {
    class_uid: uid,
    class_name: name,
    category_uid: 2,
    category_name: 'Findings',
    activity_id: activity,
    activity_name: activityNames[activity],
    type_uid: uid * 100 + activity,
    type_name: `${name}: ${activityNames[activity]}`,
    time: millis(at),
    metadata: compact({ version, product: { name: 'Parapet', vendor_name: 'Parapet' }, uid: id, profiles }),
  };
}

function span(firstAt: number, lastAt: number): object {
  return { start_time: millis(Math.min(firstAt, lastAt)), end_time: millis(Math.max(firstAt, lastAt)) };
}

const severityNames = ['Informational', 'Low', 'Medium', 'High', 'Critical'];

function gravity(severity: Severity, confidence: number): object {
  const level = severities.indexOf(severity);
  const score = Math.round(100 * Math.min(Math.max(Number.isFinite(confidence) ? confidence : 0, 0), 1));
  const band = score >= 90 ? 3 : score >= 50 ? 2 : 1;
  return {
    severity_id: level + 1,
    severity: severityNames[level],
    confidence_id: band,
    confidence: ['', 'Low', 'Medium', 'High'][band],
    confidence_score: score,
  };
}

function attacksOf(techniques: readonly string[]): object[] {
  return techniques.map((id) => {
    const dot = id.indexOf('.');
    return dot < 0
      ? { technique: techniqueOf(id) }
      : { technique: techniqueOf(id.slice(0, dot)), sub_technique: techniqueOf(id) };
  });
}

function evidenceOf(e: Evidence): object {
  return {
    file: { name: e.file.slice(e.file.lastIndexOf('/') + 1), path: e.file, type_id: 1 },
    data: compact({ ...e }),
  };
}

/** OCSF wants a name or uid for a resource: the best we have. */
function resourcesOf(assets: readonly AssetRef[]): object[] {
  return assets.flatMap((a) => {
    const uid = a.id ?? a.ip ?? a.imsi ?? a.host ?? a.mac;
    if (uid === undefined) return [];
    return [
      compact({
        uid,
        name: a.id ?? a.host,
        hostname: a.host,
        ip: a.ip === undefined ? undefined : canonical(a.ip),
        type: a.role,
      }),
    ];
  });
}

function assetObservables(path: string, a: AssetRef): object[] {
  const out: object[] = [];
  if (a.ip !== undefined && a.ip !== '') out.push(observable(`${path}.ip`, 'ip', a.ip));
  const name = path.startsWith('resources') ? `${path}.uid` : `${path}.id`;
  if (a.id !== undefined && a.id !== '') out.push(observable(name, 'asset', a.id));
  return out;
}

const observableTypes: Readonly<Record<string, string>> = { domain: 'Hostname', ip: 'IP Address' };

/** The schema's compiled form knows only 0 and 99 as observable types, so the type is told by its name. */
function observable(name: string, type: string, value: string): object {
  return { name, type_id: 99, type: observableTypes[type] ?? type, value };
}

/** Milliseconds of microseconds; 0 for what is no time. */
function millis(micros: number): number {
  return Number.isFinite(micros) ? Math.floor(micros / 1000) : 0;
}

function wholeOf(n: number): number {
  return Number.isFinite(n) ? Math.max(0, Math.round(n)) : 0;
}

/** Without fields that are absent, no number, or empty lists. */
function compact(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([, v]) =>
        v !== undefined && !(typeof v === 'number' && !Number.isFinite(v)) && !(Array.isArray(v) && v.length === 0),
    ),
  );
}
