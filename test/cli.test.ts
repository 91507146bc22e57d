// The command line as scripts meet it: exit codes, formats, standard input, faults that name the place.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tunnelCapture } from './captures.ts';

const root = join(import.meta.dirname, '..');
const dir = mkdtempSync(join(tmpdir(), 'parapet-cli-'));

function parapet(
  args: string[],
  input?: Uint8Array,
): { status: number | null; out: string; err: string; lines: Record<string, unknown>[] } {
  const run = spawnSync(process.execPath, [join(root, 'bin', 'parapet.js'), ...args], {
    cwd: dir,
    ...(input === undefined ? {} : { input }),
    encoding: 'buffer',
    maxBuffer: 1 << 28,
  });
  const out = run.stdout.toString();
  const lines = out
    .split('\n')
    .filter((l) => l.startsWith('{'))
    .map((l) => JSON.parse(l) as Record<string, unknown>);
  return { status: run.status, out, err: run.stderr.toString(), lines };
}

/** A conn.log: one host that calls each minute for two hours, and one that calls when it likes. */
function hourOfCalls(): string {
  const calls = [
    ...Array.from({ length: 120 }, (_, i) => ({ at: 60 * i, from: '10.0.0.5', to: '198.51.100.7', bytes: 200 })),
    ...[3, 50, 61, 700, 2900, 3100, 5000, 7000].map((at) => ({
      at,
      from: '10.0.0.6',
      to: '198.51.100.9',
      bytes: 100 + at,
    })),
  ].sort((a, b) => a.at - b.at);
  const fields = 'ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto duration orig_bytes resp_bytes conn_state';
  const sizes = 'missed_bytes history orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes';
  const head = `#separator \\x09\n#path\tconn\n#fields\t${`${fields} ${sizes}`.replaceAll(' ', '\t')}\n`;
  const line = (c: (typeof calls)[number], i: number): string =>
    [
      1_767_225_600 + c.at,
      `C${i}`,
      c.from,
      40_000 + i,
      c.to,
      443,
      'tcp',
      0.5,
      c.bytes,
      300,
      'SF',
      0,
      'ShADadFf',
      6,
      c.bytes + 250,
      5,
      560,
    ].join('\t');
  return `${head}${calls.map(line).join('\n')}\n`;
}

describe('parapet', () => {
  it('without a verb or with a wrong one: help or a sentence, exit 2', () => {
    expect(parapet([]).status).toBe(2);
    const wrong = parapet(['analyse']);
    expect(wrong.status).toBe(2);
    expect(wrong.err).toContain('Did you mean "analyze"');
    expect(parapet(['--help']).status).toBe(0);
  });

  it.each(['analyze', 'beacons', 'doctor'])('%s --help says what it does, exit 0', (verb) => {
    const run = parapet([verb, '--help']);
    expect(run.err).toBe('');
    expect(run.status).toBe(0);
    expect(run.out).toContain(`parapet ${verb}`);
  });

  it('an unknown option is exit 2 with its name', () => {
    const run = parapet(['analyze', 'x', '--nonsense']);
    expect(run.status).toBe(2);
    expect(run.err).toContain('--nonsense');
  });

  it('a tunnel in a capture is a finding with every field of the contract', () => {
    const path = join(dir, 'tunnel.pcap');
    writeFileSync(path, tunnelCapture(200));
    const run = parapet(['analyze', path, '--fail-on', 'medium']);
    expect(run.status).toBe(1);
    const finding = run.lines.find((l) => l.kind === 'finding')!;
    for (const field of [
      'id',
      'plane',
      'detector',
      'title',
      'severity',
      'confidence',
      'bits',
      'asset',
      'subject',
      'firstAt',
      'at',
      'lastAt',
      'leakedBytes',
      'leakedBytesAtAlert',
      'techniques',
      'reasons',
      'evidence',
      'response',
    ])
      expect(finding, field).toHaveProperty(field);
    expect(finding.plane).toBe('dns');
    expect(finding.at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect(run.lines[run.lines.length - 1]).toMatchObject({ kind: 'summary', plane: 'all', frames: 400 });
  });

  it('two runs print the same bytes, and standard input gives what the file gives', () => {
    const capture = tunnelCapture(120);
    const path = join(dir, 'same.pcap');
    writeFileSync(path, capture);
    const first = parapet(['analyze', path, '--format', 'ndjson']);
    expect(first.out.length).toBeGreaterThan(200);
    expect(parapet(['analyze', path, '--format', 'ndjson']).out).toBe(first.out);
    const piped = parapet(['analyze', '-', '--format', 'ndjson'], capture);
    const strip = (l: Record<string, unknown>): unknown => ({
      ...l,
      id: 0,
      evidence: 0,
      findings: 0,
      story: 0,
      because: 0,
    });
    expect(piped.lines.map(strip)).toEqual(first.lines.map(strip));
  });

  it('what cannot be read is a fault with file, reason and remedy, exit 3; the rest is read', () => {
    mkdirSync(join(dir, 'mixed'), { recursive: true });
    writeFileSync(join(dir, 'mixed', 'a.pcap'), tunnelCapture(60).subarray(0, 3000));
    writeFileSync(join(dir, 'mixed', 'b.pcap'), tunnelCapture(60));
    const run = parapet(['analyze', join(dir, 'mixed'), join(dir, 'not-there')]);
    expect(run.status).toBe(3);
    const faults = run.lines.filter((l) => l.kind === 'fault');
    expect(faults.map((f) => f.code).sort()).toEqual(['FILE_UNREADABLE', 'PCAP_TRUNCATED']);
    for (const f of faults) for (const field of ['file', 'text', 'remedy', 'lost']) expect(f).toHaveProperty(field);
    expect(run.lines.some((l) => l.kind === 'finding')).toBe(true);
  });

  it('a wrong city file names line, column and remedy, exit 2', () => {
    writeFileSync(join(dir, 'bad.yaml'), 'city: x\nassets:\n  - {id: a, imsi: 123}\n');
    const run = parapet(['analyze', join(dir, 'tunnel.pcap'), '--city', join(dir, 'bad.yaml')]);
    expect(run.status).toBe(2);
    expect(run.err).toMatch(/bad\.yaml:3:\d+: CITY_FIELD: assets\.0\.imsi must be string.*quote/);
  });

  it('text output pastes into a ticket: no control characters, no colour in a pipe', () => {
    const run = parapet(['analyze', join(dir, 'tunnel.pcap'), '--format', 'text']);
    expect(run.status).toBe(0);
    expect(run.out).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
    expect(run.out).toContain('because');
    expect(run.out).toContain('rpz:');
  });

  it('beacons: RITA’s score beside the finding, and beside none', () => {
    const path = join(dir, 'conn.log');
    writeFileSync(path, hourOfCalls());
    const run = parapet(['beacons', path]);
    expect(run.err).toBe('');
    expect(run.status).toBe(0);
    const found = parapet(['analyze', path]).lines.find((l) => l.detector === 'beacon')!;
    expect(run.lines.find((l) => l.place === '198.51.100.7')).toMatchObject({
      kind: 'beacon',
      by: 'address',
      source: '10.0.0.5',
      connections: 120,
      rita: { timestamps: 1, sizes: 1, duration: 1 },
      finding: found.id,
      bits: found.bits,
    });
    const other = run.lines.find((l) => l.place === '198.51.100.9')!;
    expect(other.connections).toBe(8);
    expect(other).not.toHaveProperty('finding');
    const text = parapet(['beacons', path, '--format', 'text']).out;
    expect(text).toMatch(/^1\.000 .* 10\.0\.0\.5 +198\.51\.100\.7 +(medium|high), [\d.]+ bits$/m);
    expect(parapet(['beacons', path, '--least', '2']).status).toBe(2);
  });

  it('the README shows the two commands', () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    expect(readme).toContain('npm ci && npm start');
    expect(readme).toContain('npm ci && npm test');
  });
});
