// The verb as people and scripts meet it: text, ndjson, files, exit status.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const dir = mkdtempSync(join(tmpdir(), 'parapet-cli-zones-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const city = join(dir, 'city.yaml');
writeFileSync(
  city,
  `city: Exampleville
zones: [{name: field, level: 2}, {name: twin, level: 3}]
networks: [{name: f, cidr: 10.20.0.0/16, zone: field}, {name: t, cidr: 10.30.0.0/24, zone: twin}]
services: {mqtt-tls: tcp/8883}
conduits: [{from: field, to: twin, services: [mqtt-tls]}]
assets: [{id: meter, role: smart-meter, zone: field, ip: 10.20.0.1}]
`,
);
const log = join(dir, 'conn.log');
const row = (ts: number, from: string, to: string, port: number, state: string, back: number): string =>
  [
    ts,
    `C${ts}`,
    from,
    40_000,
    to,
    port,
    'tcp',
    '-',
    '1.0',
    10,
    10,
    state,
    'T',
    'T',
    0,
    'ShADadFf',
    4,
    200,
    back,
    200,
    '-',
  ].join('\t');
writeFileSync(
  log,
  `#separator \\x09
#set_separator	,
#empty_field	(empty)
#unset_field	-
#path	conn
#fields	ts	uid	id.orig_h	id.orig_p	id.resp_h	id.resp_p	proto	service	duration	orig_bytes	resp_bytes	conn_state	local_orig	local_resp	missed_bytes	history	orig_pkts	orig_ip_bytes	resp_pkts	resp_ip_bytes	tunnel_parents
#types	time	string	addr	port	addr	port	enum	string	interval	count	count	string	bool	bool	count	string	count	count	count	count	set[string]
${row(1_700_000_000, '10.20.0.1', '10.30.0.5', 8883, 'SF', 4)}
${row(1_700_000_100, '10.20.0.1', '10.30.0.5', 22, 'SF', 4)}
${row(1_700_000_200, '10.20.0.1', '10.30.0.5', 23, 'S0', 0)}
`,
);

const main = `import(${JSON.stringify(join(import.meta.dirname, 'zones.ts'))}).then(async (m) => { try { process.exitCode = await m.zones(process.argv.slice(1)); } catch (e) { console.error(e.message); process.exitCode = e.constructor.name === 'UsageError' ? 2 : 70; } });`;
function zones(...args: string[]): { out: string; err: string; status: number | null } {
  const ran = spawnSync(process.execPath, ['-e', main, '--', ...args], { encoding: 'utf8', cwd: dir });
  return { out: ran.stdout, err: ran.stderr, status: ran.status };
}
const lines = (text: string): Record<string, unknown>[] =>
  text
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l) as Record<string, unknown>);

describe('parapet zones', () => {
  it('check in a pipe is ndjson with ISO times, twice the same', () => {
    const first = zones('check', log);
    expect(first.status).toBe(0);
    const drifts = lines(first.out).filter((r) => r.kind === 'drift');
    expect(drifts).toMatchObject([
      {
        what: 'no-conduit',
        from: 'field',
        to: 'twin',
        service: 'tcp/22',
        answered: 1,
        firstAt: '2023-11-14T22:15:00.000000Z',
        example: { evidence: { file: log } },
      },
      { what: 'no-conduit', service: 'tcp/23', answered: 0, unanswered: 1 },
    ]);
    expect(zones('check', log).out).toBe(first.out);
  });
  it('check for people says what, how often, when and where to look', () => {
    const { out } = zones('check', '--format', 'text', log);
    expect(out).toContain('1 answered flow from field to twin by tcp/22: no conduit field -> twin allows it.');
    expect(out).toContain('1 tries, none answered');
    expect(out).toContain(`${log} line 10`);
  });
  it('suggest covers the answered, not the tried, and says what would break', () => {
    const all = lines(zones('suggest', log).out);
    expect(all.filter((r) => r.kind === 'rule')).toMatchObject([
      { conduit: 'field -> twin', services: ['tcp/22', 'mqtt-tls'] },
    ]);
    expect(all.filter((r) => r.kind === 'broken')).toMatchObject([
      { policy: 'city.yaml', service: 'tcp/22', flows: 1 },
    ]);
    expect(all.at(-1)).toMatchObject({ kind: 'summary', isWholeCycle: false });
  });
  it('emit writes a file in one step and leaves nothing beside it', () => {
    const out = join(dir, 'zones.nft');
    expect(zones('emit', '--mode', 'enforce', '--out', out).status).toBe(0);
    expect(readFileSync(out, 'utf8')).toContain('policy drop');
    expect(readdirSync(dir).filter((n) => n.endsWith('.tmp'))).toEqual([]);
    expect(zones('emit', '--target', 'kubernetes').out).toContain('kind: NetworkPolicy');
    expect(zones('emit', '--target', 'cilium', log).out).toContain('kind: CiliumNetworkPolicy');
    expect(zones('emit', '--out', join(dir, 'absent', 'x')).status).toBe(2);
  });
  it('what emit writes, check reads', () => {
    const policies = join(dir, 'policies.yaml');
    zones('emit', '--target', 'kubernetes', '--namespace', 'city', '--out', policies);
    expect(existsSync(policies)).toBe(true);
    expect(zones('check', '--kubernetes', policies).status).toBe(0);
  });
  it('wrong use is 2 with a sentence, unread input is 3, help is 0', () => {
    expect(zones('chek')).toMatchObject({ status: 2 });
    expect(zones('check').err).toContain('needs a file or folder');
    expect(zones('emit', '--target', 'iptables').status).toBe(2);
    const broken = join(dir, 'broken.yaml');
    writeFileSync(broken, 'a: [');
    expect(zones('check', '--kubernetes', broken).status).toBe(3);
    expect(zones('--help')).toMatchObject({ status: 0 });
  });
});
