// Real zones signed by BIND's tools and served by Knot; Unbound with validation and without. Skipped where they are not installed.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, Type } from '#response/ask';
import { auditResolver, auditZone, type Place } from './dns-audit.ts';

const tools = ['/usr/sbin/knotd', '/usr/sbin/unbound', '/usr/bin/dnssec-keygen', '/usr/bin/dnssec-signzone'];
const missing = tools.filter((t) => !existsSync(t));
if (missing.length > 0) console.log(`skipped: not installed: ${missing.join(', ')}`);

describe.skipIf(missing.length > 0)('an audit of real zones through real resolvers', () => {
  const dir = mkdtempSync(join(tmpdir(), 'parapet-audit-'));
  const children: ChildProcess[] = [];
  const anchors: string[] = [];
  const now = Math.floor(Date.now() / 1000);
  let serverPort = 0;
  let validating: Place;
  let trusting: Place;

  /** Signs a zone; `change` alters what was signed. */
  function signed(zone: string, end: string, change: (text: string) => string = (t) => t): string {
    const file = join(dir, zone);
    writeFileSync(
      file,
      `$ORIGIN ${zone}.\n$TTL 60\n@ SOA ns hostmaster 7 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\nwww A 192.0.2.1\n`,
    );
    const run = (tool: string, ...args: string[]): string =>
      execFileSync(`/usr/bin/${tool}`, args, { cwd: dir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    run('dnssec-keygen', '-a', 'ECDSAP256SHA256', '-f', 'KSK', zone);
    run('dnssec-keygen', '-a', 'ECDSAP256SHA256', zone);
    run('dnssec-signzone', '-S', '-e', end, '-o', zone, file);
    writeFileSync(`${file}.signed`, change(readFileSync(`${file}.signed`, 'utf8')));
    const set = readdirSync(dir).find((n) => n === `dsset-${zone}.`)!;
    anchors.push(readFileSync(join(dir, set), 'utf8').trim().split('\n').at(-1)!);
    return `  - domain: ${zone}\n    file: "${file}.signed"\n    zonefile-sync: -1\n`;
  }

  async function unbound(name: string, modules: string, zones: readonly string[]): Promise<Place> {
    const port = await freePort();
    const own = join(dir, name);
    mkdirSync(own);
    const stubs = zones.map((z) => `stub-zone:\n  name: "${z}"\n  stub-addr: 127.0.0.1@${serverPort}\n`).join('');
    const trust = anchors.map((a) => `  trust-anchor: "${a.replace(/\s+/g, ' ')}"\n`).join('');
    writeFileSync(
      join(own, 'unbound.conf'),
      `server:\n  interface: 127.0.0.1\n  port: ${port}\n  username: ""\n  chroot: ""\n  directory: "${own}"\n  pidfile: ""\n  use-syslog: no\n  do-daemonize: no\n  do-not-query-localhost: no\n  do-ip6: no\n  module-config: "${modules}"\n  domain-insecure: "unsigned.example"\n${trust}${stubs}remote-control:\n  control-enable: no\n`,
    );
    children.push(spawn('/usr/sbin/unbound', ['-d', '-c', join(own, 'unbound.conf')], { stdio: 'ignore' }));
    const place = { address: '127.0.0.1', port };
    for (let i = 0; i < 100; i++) {
      if (!('failed' in (await ask({ ...place, name: 'www.sound.example', type: Type.A, timeoutMs: 200 })))) break;
      await pause(50);
    }
    return place;
  }

  beforeAll(async () => {
    serverPort = await freePort();
    const zones = ['sound.example', 'broken.example', 'late.example', 'unsigned.example'];
    const unsigned = join(dir, 'unsigned.example');
    writeFileSync(
      unsigned,
      '$ORIGIN unsigned.example.\n$TTL 60\n@ SOA ns h 7 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n',
    );
    const conf = join(dir, 'knot.conf');
    writeFileSync(
      conf,
      `server:\n  rundir: "${dir}"\n  listen: 127.0.0.1@${serverPort}\ndatabase:\n  storage: "${dir}"\nzone:\n${signed('sound.example', 'now+2592000')}${signed('broken.example', 'now+2592000', (t) => t.replace('192.0.2.1', '203.0.113.9'))}${signed('late.example', 'now+172800')}  - domain: unsigned.example\n    file: "${unsigned}"\n    zonefile-sync: -1\n`,
    );
    children.push(spawn('/usr/sbin/knotd', ['-c', conf], { stdio: 'ignore' }));
    validating = await unbound('validating', 'validator iterator', zones);
    trusting = await unbound('trusting', 'iterator', zones);
  }, 30_000);
  afterAll(() => {
    for (const c of children) c.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });

  const audit = async (
    zone: string,
    lines: readonly string[] = anchors,
  ): Promise<Record<string, boolean | undefined>> =>
    Object.fromEntries((await auditZone(zone, validating, lines, now, serverPort)).map((c) => [c.what, c.ok]));

  it('a sound zone passes every check', async () => {
    expect(await audit('sound.example')).toEqual({
      chain: true,
      denial: true,
      signatures: true,
      algorithms: true,
      servers: true,
    });
  });

  it('signatures that end within a week are told', async () => {
    const [found] = (await auditZone('late.example', validating, anchors, now, serverPort)).filter(
      (c) => c.ok === false,
    );
    expect(found).toMatchObject({ subject: 'late.example', what: 'signatures' });
    expect(found!.text).toMatch(/in [12]\.\d days/);
  });

  it('a zone signed by other keys than its anchor names is told in words', async () => {
    const wrong = anchors.map((a) => a.replace(/[0-9A-F]{8}$/i, '00000000'));
    const [found] = await auditZone('sound.example', validating, wrong, now, serverPort);
    expect(found).toMatchObject({ what: 'chain', ok: false });
    expect(found!.text).toMatch(/No key of sound\.example\.? matches/);
  });

  it('an unsigned zone has servers that give it unsigned, and no chain', async () => {
    const found = await audit('unsigned.example');
    expect(found.chain).not.toBe(true);
    expect(found.server).toBe(false);
  });

  it('a resolver that validates and one that does not are told apart by a broken name', async () => {
    const told = async (r: Place): Promise<boolean | undefined> =>
      (await auditResolver(r, 'sound.example', 'www.broken.example')).find((c) => c.what === 'validates')!.ok;
    expect(await told(validating)).toBe(true);
    expect(await told(trusting)).toBe(false);
  });

  it('without a broken name AD is not believed, and its absence is told', async () => {
    const told = async (r: Place): Promise<boolean | undefined> =>
      (await auditResolver(r, 'sound.example')).find((c) => c.what === 'validates')!.ok;
    expect(await told(validating)).toBe(undefined);
    expect(await told(trusting)).toBe(false);
  });

  it('a dead name proves nothing, and a dead resolver is told within its time', async () => {
    const dead = await auditResolver(validating, 'sound.example', 'nothing.broken.example');
    expect(dead.find((c) => c.what === 'validates')!.ok).toBe(undefined);
    const gone = await auditResolver({ address: '127.0.0.1', port: await freePort() }, 'sound.example');
    expect(gone).toHaveLength(1);
    expect(gone[0]).toMatchObject({ what: 'answers', ok: false });
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  await new Promise<void>((done) => server.close(() => done()));
  return port;
}
