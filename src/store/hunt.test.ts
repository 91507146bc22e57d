import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EvidenceRow, EvidenceWriter, huntJson, huntStore, openStore, pruneEvidence, StoreError } from '#store';
import { quoteAt } from './hunt.ts';

const root = mkdtempSync(join(tmpdir(), 'hunt-'));
const dir = join(root, "a store's folder");
afterAll(() => rmSync(root, { recursive: true, force: true }));

const HOUR = 3600e6;
const start = 1767323045000006;
const row = (at: number, more: Partial<EvidenceRow> = {}): EvidenceRow => ({
  at,
  plane: 'dns',
  detector: 'dns-tunnel',
  finding: 'f1',
  file: 'a.pcap',
  frame: 7,
  line: -1,
  client: '10.0.0.1',
  subject: 'domain:x.example',
  text: "it's a query",
  ...more,
});

async function ask(sql: string, where = dir): Promise<unknown[][]> {
  const answer = await huntStore(where, sql);
  const out: unknown[][] = [];
  try {
    for await (const rows of answer.rows()) for (const r of rows) out.push(r.map(huntJson));
  } finally {
    answer.close();
  }
  return out;
}
async function code(sql: string, where = dir): Promise<string> {
  try {
    await ask(sql, where);
  } catch (error) {
    if (error instanceof StoreError) return error.code;
    throw error;
  }
  return 'none';
}

beforeAll(async () => {
  const store = openStore(dir);
  store.saveFindings(
    ['f1', 'f2'].map((id, i) => ({
      kind: 'finding',
      id,
      plane: 'dns',
      detector: 'dns-tunnel',
      family: 'tunnel',
      title: 'A device leaks through DNS',
      severity: i === 0 ? 'high' : 'low',
      confidence: 0.9,
      bits: 12,
      asset: { id: 'm1', role: 'meter' },
      subject: { type: 'domain', value: 'x.example' },
      firstAt: start,
      at: start + i,
      lastAt: start + i,
      leakedBytes: 1000,
      techniques: ['T1048.003', 'T1572'],
      reasons: [{ text: 'many names', bits: 12 }],
      evidence: [],
      count: 3,
      response: [],
    })),
  );
  store.saveTrust([
    { kind: 'trust', asset: 'm1', at: start, trust: 1, because: [] },
    { kind: 'trust', asset: 'm1', at: start + 5, trust: 0.25, because: ['f1'] },
  ]);
  store.saveIncidents([
    {
      kind: 'incident',
      id: 'i1',
      title: 'One campaign',
      severity: 'high',
      confidence: 0.5,
      assets: [{ id: 'm1', ip: '10.0.0.9' }, { ip: '10.0.0.1' }],
      planes: ['dns'],
      findings: ['f1', 'f2'],
      firstAt: start,
      lastAt: start + 1,
      story: [],
      techniques: [],
      response: [],
    },
  ]);
  store.saveVerdicts([
    {
      kind: 'verdict',
      id: 'v1',
      at: start,
      command: 'c1',
      decision: 'hold',
      reasons: ['r'],
      leansOn: ['m1'],
      harm: [],
      decidedInMicros: 99,
    },
  ]);
  store.close();
  const writer = new EvidenceWriter(dir);
  for (let i = 0; i < 100; i++) writer.add(row(start + i * (HOUR / 20), { frame: i }));
  writer.add(row(start, { plane: 'flow', line: 3, frame: -1, finding: 'f2' }));
  writer.add(row(start, { plane: '../../up', finding: 'f3' }));
  await writer.close();
  expect(writer.written).toBe(102);
});

describe('evidence', () => {
  it('stands by plane and hour, under names that lead nowhere else', () => {
    const evidence = join(dir, 'evidence');
    expect(readdirSync(evidence).sort()).toEqual(['plane=dns', 'plane=flow', 'plane=other']);
    expect(readdirSync(join(evidence, 'plane=dns')).sort()).toEqual(
      ['03', '04', '05', '06', '07', '08'].map((h) => `hour=2026-01-02-${h}`),
    );
    expect(readdirSync(join(evidence, 'plane=flow', 'hour=2026-01-02-03'))).toEqual(['000001.parquet']);
  });

  it('is bounded in memory, sheds openly, and says when to flush', async () => {
    const writer = new EvidenceWriter(join(root, 'bounded'), { capacity: 10, flushAt: 8 });
    expect(Array.from({ length: 12 }, (_, i) => writer.add(row(i)))).toEqual([
      ...new Array(7).fill(false),
      ...new Array(5).fill(true),
    ]);
    expect([writer.buffered, writer.shed]).toEqual([10, 2]);
    await Promise.all([writer.flush(), writer.flush()]);
    expect([writer.buffered, writer.written]).toEqual([0, 10]);
    await writer.close();
  });

  it('written twice after a crash is shown once, and half files go', async () => {
    const again = join(root, 'again');
    for (let n = 0; n < 2; n++) {
      const writer = new EvidenceWriter(again);
      writer.add(row(start));
      await writer.close();
    }
    const hour = join(again, 'evidence', 'plane=dns', 'hour=2026-01-02-03');
    writeFileSync(join(hour, '000003.parquet.part'), 'cut');
    expect(readdirSync(hour)).toHaveLength(3);
    new EvidenceWriter(again);
    expect(readdirSync(hour).sort()).toEqual(['000001.parquet', '000002.parquet']);
    expect(await ask('SELECT count(*) FROM evidence', again)).toEqual([[1]]);
    expect(pruneEvidence(again, start + HOUR)).toBe(2);
    expect(await ask('SELECT count(*) FROM evidence', again)).toEqual([[0]]);
  });

  it('that can not be written waits, with a coded error', async () => {
    const blocked = join(root, 'blocked');
    const writer = new EvidenceWriter(blocked);
    writer.add(row(start));
    rmSync(join(blocked, 'evidence'), { recursive: true });
    writeFileSync(join(blocked, 'evidence'), '');
    await expect(writer.flush()).rejects.toMatchObject({ code: 'EVIDENCE_FAILED' });
    expect(writer.buffered).toBe(1);
    rmSync(join(blocked, 'evidence'));
    await writer.flush();
    expect(writer.written).toBe(1);
    await writer.close();
  });
});

describe('hunt', () => {
  it('answers over evidence, findings and trust together', async () => {
    expect(
      await ask(`SELECT f.at, f.techniques, f.leakedBytes, e.plane, e.hour, e.frame, e.line, e.text FROM findings f
                 JOIN evidence e ON e.finding = f.id ORDER BY e.plane DESC, e.frame LIMIT 2`),
    ).toEqual([
      ['2026-01-02T03:04:05.000007Z', ['T1048.003', 'T1572'], 1000, 'flow', '2026-01-02-03', null, 3, "it's a query"],
      ['2026-01-02T03:04:05.000006Z', ['T1048.003', 'T1572'], 1000, 'dns', '2026-01-02-03', 0, null, "it's a query"],
    ]);
    expect(await ask('SELECT min(trust), count(*) FROM trust')).toEqual([[0.25, 2]]);
    expect(await ask("SELECT count(*) FROM evidence WHERE plane = 'dns' AND hour = '2026-01-02-04'")).toEqual([[20]]);
    expect(await ask("SELECT json->>'$.title' FROM Findings WHERE id = 'f1'")).toEqual([
      ['A device leaks through DNS'],
    ]);
    expect(await ask('SELECT * EXCLUDE (json) FROM incidents')).toEqual([
      [
        'i1',
        '2026-01-02T03:04:05.000006Z',
        '2026-01-02T03:04:05.000007Z',
        'high',
        'One campaign',
        0.5,
        ['dns'],
        ['m1', '10.0.0.1'],
        ['f1', 'f2'],
        [],
      ],
    ]);
    expect(await ask('SELECT * EXCLUDE (json) FROM verdicts')).toEqual([
      ['v1', '2026-01-02T03:04:05.000006Z', 'c1', 'hold', ['r'], ['m1'], [], 99, null],
    ]);
    expect(await ask('SELECT 170141183460469231731687303715884105727::HUGEINT')).toEqual([
      ['170141183460469231731687303715884105727'],
    ]);
  });

  it('reads while a hub writes', async () => {
    const store = openStore(dir);
    store.saveTrust([{ kind: 'trust', asset: 'm9', at: start, trust: 0.5, because: [] }]);
    expect(await ask("SELECT trust FROM trust WHERE asset = 'm9'")).toEqual([[0.5]]);
    store.close();
  });

  it('takes `at` as a name without quotes, and leaves AT TIME ZONE, strings and comments alone', async () => {
    expect(await ask("SELECT max(at), 'at' FROM trust WHERE at > '2026-01-01' -- at\n GROUP BY ALL")).toEqual([
      ['2026-01-02T03:04:05.000011Z', 'at'],
    ]);
    expect(quoteAt('SELECT e.at AT TIME ZONE \'UTC\', "at", at FROM e -- at')).toBe(
      'SELECT e."at" AT TIME ZONE \'UTC\', "at", "at" FROM e -- at',
    );
  });

  it('changes nothing and opens nothing else', async () => {
    for (const sql of [
      'DELETE FROM kept_findings',
      'CREATE TABLE x (y INTEGER)',
      'DROP VIEW evidence',
      'SET enable_external_access = true',
      `COPY (SELECT 1) TO '${join(dir, 'evidence', 'x.parquet').replaceAll("'", "''")}'`,
      "ATTACH '/tmp/parapet-hunt.db'",
      'INSTALL httpfs',
      'LOAD httpfs',
      'SELECT 1; SELECT 2',
      'SELECT 1; DROP VIEW evidence',
    ])
      expect(await code(sql), sql).toBe('HUNT_READ_ONLY');
    for (const sql of [
      "COPY (SELECT 1) TO '/tmp/parapet-hunt-out.csv'",
      "SELECT * FROM read_text('/etc/passwd')",
      "SELECT * FROM '/etc/passwd'",
      `SELECT * FROM read_blob('${join(dir, 'parapet.db').replaceAll("'", "''")}')`,
      "SELECT * FROM read_csv('http://192.0.2.1/x')",
      "SELECT * FROM glob('/etc/*')",
      "SELECT getenv('PATH')",
      'DELETE FROM findings',
      'SELEC 1',
      '',
      'SELECT * FROM nowhere',
    ])
      expect(await code(sql), sql).toBe('HUNT_SQL');
    expect(readdirSync(join(dir, 'evidence'))).not.toContain('x.parquet');
    expect(await code('SELECT 1', join(root, 'nothing'))).toBe('STORE_MISSING');
  });
});

describe('parapet hunt', () => {
  const script = `
    import { hunt } from ${JSON.stringify(join(import.meta.dirname, '../cli/hunt.ts'))};
    try { process.exitCode = await hunt(process.argv.slice(1)); }
    catch (e) { console.error(e.message); process.exitCode = 2; }`;
  const run = (...args: string[]): { status: number | null; out: string; err: string } => {
    const done = spawnSync(process.execPath, ['--input-type=module', '-e', script, '--', ...args], {
      encoding: 'utf8',
    });
    return { status: done.status, out: done.stdout, err: done.stderr };
  };

  it('prints a table that pastes into a ticket', () => {
    const { out, status } = run(
      '--format',
      'text',
      '--store',
      dir,
      'SELECT id, at, leakedBytes FROM findings ORDER BY id',
    );
    expect(status).toBe(0);
    expect(out).toBe(
      [
        'id  at                           leakedBytes',
        '--  ---------------------------  -----------',
        'f1  2026-01-02T03:04:05.000006Z         1000',
        'f2  2026-01-02T03:04:05.000007Z         1000',
        '(2 rows)',
        '',
      ].join('\n'),
    );
  });

  it('runs each example of its help, as text and as NDJSON', () => {
    const help = run('--help').out;
    const examples = [...help.matchAll(/^ {2}parapet hunt "(.*)"$/gm)].map((m) => m[1]!);
    expect(examples).toHaveLength(3);
    for (const sql of examples) {
      const text = run('--store', dir, '--format', 'text', '--limit', '1', sql);
      expect(text, sql).toMatchObject({ status: 0, err: '' });
      const lines = run('--store', dir, sql).out.trim().split('\n');
      expect(lines.length).toBeGreaterThan(0);
      for (const line of lines) expect(JSON.parse(line)).toMatchObject({ kind: 'row' });
    }
  });

  it('says what is wrong with a question', () => {
    expect(run('--store', dir, 'SELECT nothing FROM findings')).toMatchObject({ status: 2, out: '' });
    expect(run('--store', dir, 'SELECT nothing FROM findings').err).toContain('HUNT_SQL');
    expect(run('--store', dir).err).toContain('one SQL statement');
  });
});
