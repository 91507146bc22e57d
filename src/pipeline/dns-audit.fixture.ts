// For tests: zones signed by Knot itself and by BIND's tools, served by Knot on loopback, and Unbound with validation and without.
// Each process is ended by its id.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ask, Type } from '#response/ask';
import type { Place } from './dns-audit.ts';

const programs = {
  knotd: '/usr/sbin/knotd',
  keymgr: '/usr/sbin/keymgr',
  unbound: '/usr/sbin/unbound',
  keygen: '/usr/bin/dnssec-keygen',
  signzone: '/usr/bin/dnssec-signzone',
};
/** What is not installed; '' where all is. */
export const missing = Object.values(programs)
  .filter((p) => !existsSync(p))
  .join(', ');

const soa = (serial: number): string => `@ SOA ns hostmaster ${serial} 3600 600 86400 60\n`;
const head = (zone: string): string => `$ORIGIN ${zone}.\n$TTL 60\n`;
const servers = '@ NS ns\nns A 127.0.0.1\n';

export interface SignOptions {
  /** As dnssec-keygen takes it. */
  readonly algorithm?: string;
  /** More words for dnssec-signzone. */
  readonly words?: readonly string[];
  /** Alters what was signed. */
  readonly change?: (text: string) => string;
  /** More records. */
  readonly records?: string;
}

export class AuditWorld {
  readonly dir = mkdtempSync(join(tmpdir(), 'parapet-audit-'));
  /** Delegation signers of every zone that has keys. */
  readonly anchors: string[] = [];
  serverPort = 0;
  readonly #children: ChildProcess[] = [];
  readonly #zones: string[] = [];
  readonly #config: string[] = [];
  readonly #second: string[] = [];

  /** Served as it stands. @param place 2 for the second server alone */
  plain(zone: string, records: string, serial = 7, place: 1 | 2 = 1): void {
    this.#serve(zone, `${head(zone)}${soa(serial)}${servers}${records}`, place);
  }

  /** Signed by BIND's tools, served as a file. */
  signed(zone: string, o: SignOptions = {}): void {
    const file = join(this.dir, zone);
    writeFileSync(file, `${head(zone)}${soa(7)}${servers}www A 192.0.2.1\n${o.records ?? ''}`);
    const run = (program: string, ...args: string[]): void =>
      void execFileSync(program, args, { cwd: this.dir, stdio: 'ignore' });
    const algorithm = o.algorithm ?? 'ECDSAP256SHA256';
    run(programs.keygen, '-a', algorithm, '-f', 'KSK', zone);
    run(programs.keygen, '-a', algorithm, zone);
    run(programs.signzone, '-S', ...(o.words ?? ['-e', 'now+2592000']), '-o', zone, file);
    const text = readFileSync(`${file}.signed`, 'utf8');
    this.#serve(zone, o.change?.(text) ?? text, 1);
    this.anchors.push(
      readFileSync(join(this.dir, `dsset-${zone}.`), 'utf8')
        .trim()
        .split('\n')
        .at(-1)!,
    );
  }

  /** Signed by Knot as it serves it. */
  selfSigned(zone: string, records: string): void {
    this.plain(zone, `www A 192.0.2.1\n${records}`);
    this.#config[this.#config.length - 1] += '    dnssec-signing: on\n    dnssec-policy: own\n';
  }

  #serve(zone: string, text: string, place: 1 | 2): void {
    const file = join(this.dir, `${zone}.${place}.zone`);
    writeFileSync(file, text);
    const entry = `  - domain: ${zone}\n    file: "${file}"\n    zonefile-sync: -1\n    zonefile-load: ${place === 1 ? 'difference-no-serial' : 'whole'}\n    journal-content: all\n`;
    (place === 1 ? this.#config : this.#second).push(entry);
    if (place === 1) this.#zones.push(zone);
  }

  async start(): Promise<void> {
    this.serverPort = await freePort();
    const first = this.#knot(1, this.#config);
    if (this.#second.length > 0) this.#knot(2, this.#second);
    const at = { address: '127.0.0.1', port: this.serverPort, recursion: false, timeoutMs: 200 };
    for (const zone of this.#zones)
      await until(`${zone} is served`, async () => {
        const reply = await ask({ ...at, name: zone, type: Type.SOA });
        return !('failed' in reply) && reply.answers.length > 0;
      });
    for (const [i, zone] of this.#zones.entries())
      if (this.#config[i]!.includes('dnssec-signing')) {
        await until(`${zone} is signed`, async () => {
          const reply = await ask({ ...at, name: zone, type: Type.DNSKEY });
          return !('failed' in reply) && reply.answers.length > 0;
        });
        const ds = execFileSync(programs.keymgr, ['-c', first, zone, 'ds'], { encoding: 'utf8' });
        this.anchors.push(
          ds
            .split('\n')
            .find((l) => / 13 2 /.test(l))!
            .trim(),
        );
      }
  }

  #knot(n: number, zones: readonly string[]): string {
    const own = join(this.dir, `knot${n}`);
    mkdirSync(own);
    const file = join(own, 'knot.conf');
    writeFileSync(
      file,
      `server:\n  rundir: "${own}"\n  user: ${process.getuid?.() === 0 ? 'root:root' : ''}\n  listen: 127.0.0.${n}@${this.serverPort}\ndatabase:\n  storage: "${own}"\npolicy:\n  - id: own\n    algorithm: ECDSAP256SHA256\n    rrsig-lifetime: 30d\n    rrsig-refresh: 10d\nzone:\n${zones.join('')}`.replace(
        '  user: \n',
        '',
      ),
    );
    this.#children.push(spawn(programs.knotd, ['-c', file], { stdio: 'ignore' }));
    return file;
  }

  async unbound(name: string, modules: string, probe: string): Promise<Place> {
    const port = await freePort();
    const own = join(this.dir, name);
    mkdirSync(own);
    const stubs = this.#zones
      .map((z) => `stub-zone:\n  name: "${z}"\n  stub-addr: 127.0.0.1@${this.serverPort}\n`)
      .join('');
    const trust = this.anchors.map((a) => `  trust-anchor: "${a.replace(/\s+/g, ' ')}"\n`).join('');
    const file = join(own, 'unbound.conf');
    writeFileSync(
      file,
      `server:\n  interface: 127.0.0.1\n  port: ${port}\n  username: ""\n  chroot: ""\n  directory: "${own}"\n  pidfile: ""\n  use-syslog: no\n  do-daemonize: no\n  do-not-query-localhost: no\n  do-ip6: no\n  module-config: "${modules}"\n${trust}${stubs}remote-control:\n  control-enable: no\n`,
    );
    this.#children.push(spawn(programs.unbound, ['-d', '-c', file], { stdio: 'ignore' }));
    const place = { address: '127.0.0.1', port };
    await until(`${name} answers`, async () => {
      const reply = await ask({ ...place, name: probe, type: Type.A, timeoutMs: 200 });
      return !('failed' in reply) && reply.rcode === 0;
    });
    return place;
  }

  stop(): void {
    for (const c of this.#children) c.kill('SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
  }
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 100; i++) {
    if (await isSo()) return;
    await pause(50);
  }
  throw new Error(`not within its time: ${what}`);
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  await new Promise<void>((done) => server.close(() => done()));
  return port;
}
