// OCSF and STIX: whatever we claim validates against the published schemas.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Finding, type Incident, ocsfOf, stixBundle } from '#findings';
import { parseIsoMicros } from '#lib/time';
import { anyAction, anyFinding, anyIncident, incident, type Objects, ofType, some, tunnel, whole } from './testing.ts';

const corpus = process.env.PARAPET_CORPUS ?? '../shared/corpus';
const schemas = join(corpus, 'platform/schemas');
const there = existsSync(schemas);
if (!there) console.log('skipped: the schemas are not here (PARAPET_CORPUS)');

/** Times as they are inside, of the ISO text that NDJSON has. */
function micros(key: string, value: unknown): unknown {
  return /^(at|firstAt|lastAt)$/.test(key) && typeof value === 'string' ? parseIsoMicros(value) : value;
}

function walk(dir: string): string[] {
  return readdirSync(dir)
    .map((n) => join(dir, n))
    .flatMap((p) => (statSync(p).isDirectory() ? walk(p) : [p]));
}

/** The published schemas as they are: their formats aside, which Ajv does not know. */
function validators(): { ocsf(record: object): string[]; stix(bundle: object): string[] } {
  const options = { strict: false, unicodeRegExp: false, validateFormats: false, logger: false } as const;
  const read = (path: string): object => JSON.parse(readFileSync(path, 'utf8')) as object;
  const stixAjv = new Ajv2020(options);
  for (const path of walk(join(schemas, 'stix21'))) stixAjv.addSchema(read(path));
  const base = 'http://raw.githubusercontent.com/oasis-open/cti-stix2-json-schemas/stix2.1/schemas';
  const ofBundle = stixAjv.getSchema(`${base}/common/bundle.json`) as ValidateFunction;
  const ocsf = new Map(
    [2004, 2005].map((uid) => {
      const name = uid === 2004 ? 'detection_finding' : 'incident_finding';
      return [uid, new Ajv2020(options).compile(read(join(schemas, `ocsf/compiled/${name}-${uid}.schema.json`)))];
    }),
  );
  const told = (v: ValidateFunction, record: object): string[] =>
    v(JSON.parse(JSON.stringify(record))) ? [] : (v.errors ?? []).map((e) => `${e.instancePath} ${e.message}`);
  return {
    ocsf: (record) => told(ocsf.get((record as { class_uid: number }).class_uid)!, record),
    // The bundle's schema only says that no branch fits; the object's own schema says why.
    stix: (bundle) => [
      ...(bundle as { objects: { type: string }[] }).objects.flatMap((o) => {
        const v = ['sdos', 'sros', 'observables']
          .map((d) => stixAjv.getSchema(`${base}/${d}/${o.type}.json`))
          .find(Boolean);
        return v === undefined ? [] : told(v as ValidateFunction, o);
      }),
      ...told(ofBundle, bundle),
    ],
  };
}

describe.skipIf(!there)('the published schemas', () => {
  const schema = there ? validators() : undefined!;

  it('refuse what is wrong (so that the tests below can fail)', () => {
    expect(schema.ocsf({ ...ocsfOf(tunnel), severity_id: 9 })).not.toEqual([]);
    expect(schema.ocsf({ ...ocsfOf(incident), assignee_group: undefined })).not.toEqual([]);
    const bundle = stixBundle(whole) as Objects;
    expect(schema.stix({ ...bundle, objects: [{ ...bundle.objects[1], id: 'x' }] })).not.toEqual([]);
  });

  it('take a technique whose id is a word of JavaScript', () => {
    for (const id of ['__proto__', 'constructor', 'toString'])
      expect(schema.ocsf(ocsfOf({ ...incident, techniques: [id] }))).toEqual([]);
  });

  it('take every finding, incident and action that can be written down', () => {
    fc.assert(
      fc.property(some(anyFinding), some(anyIncident), some(anyAction), (findings, incidents, actions) => {
        for (const r of [...findings, ...incidents, ...actions]) expect(schema.ocsf(ocsfOf(r))).toEqual([]);
        expect(schema.stix(stixBundle({ findings, incidents, actions, at: 0 }))).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  /** Lines of standard output; exit status 3 says that part of the input could not be read, and the rest is there. */
  function analyze(path: string, format: string, args: readonly string[] = []): string[] {
    const line = ['bin/parapet.js', 'analyze', path, '--format', format, '--quiet', ...args];
    return spawnSync('node', line, { encoding: 'utf8', maxBuffer: 1 << 28 })
      .stdout.split('\n')
      .filter(Boolean);
  }

  it.each([
    ['dns', 'dns/attack/dns2tcp/dns2tcp-key-ggy.pcap'],
    ['dns', 'dns/attack/dnscat2/dnscat2-cyberops-suffix-localdomain.pcap'],
    ['signalling', 'signalling/captures/tune/arkime_m3ua_synthetic.pcap'],
  ])('take what analyze prints: %s, %s', (plane, path) => {
    const events = analyze(join(corpus, path), 'ocsf').map(
      (l) => JSON.parse(l) as { finding_info?: { types: string[] } },
    );
    expect(events.flatMap((e) => schema.ocsf(e))).toEqual([]);
    expect(events.flatMap((e) => e.finding_info?.types ?? [])).toContain(plane);
    const bundles = analyze(join(corpus, path), 'stix').map((l) => JSON.parse(l) as Objects);
    expect(bundles.flatMap((b) => schema.stix(b))).toEqual([]);
    expect(bundles.map((b) => ofType(b.objects, 'report').length > 0)).toEqual([true]);
  });

  it('take what analyze finds in a simulated city, on all planes that have detectors', () => {
    const dir = mkdtempSync(join(tmpdir(), 'parapet-exchange-'));
    try {
      const city = 'bin/parapet.js range run blackout --seed 3 --meters 120 --quiet-days 1 --out';
      spawnSync('node', [...city.split(' '), dir]);
      const lines = analyze(dir, 'ndjson', ['--city', join(dir, 'city.yaml')]);
      const records = lines.map((l) => JSON.parse(l, micros) as Finding | Incident);
      const findings = records.filter((r): r is Finding => r.kind === 'finding');
      const incidents = records.filter((r): r is Incident => r.kind === 'incident');
      expect([...findings, ...incidents].flatMap((r) => schema.ocsf(ocsfOf(r)))).toEqual([]);
      // The bundle's schema tries each object against forty others, so of many like findings some will do.
      const few = Object.values(Object.groupBy(findings, (f) => f.detector)).flatMap((list) => list!.slice(0, 4));
      expect(schema.stix(stixBundle({ findings: few, incidents, actions: [], at: 0 }))).toEqual([]);
      expect(new Set(findings.map((f) => f.plane))).toEqual(new Set(['dns', 'flow', 'signalling']));
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }, 120_000);
});
