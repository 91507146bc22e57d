// Three namespaces on one machine: a client that tunnels, the city's resolver with Parapet beside it, and the attacker's server
// next to an honest one. The resolver is set up with the very texts that Parapet advises.
import { type ChildProcess, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadCity } from '#city';
import type { Action, Finding } from '#findings';
import { responseSettings } from '#response';
import { adviceFor } from '#response/advice';
import { Namespaces, noNamespaces } from './netns.ts';
import { sleep } from './world.ts';

export type ResolverKind = 'unbound' | 'bind' | 'powerdns';
export const programs: Readonly<Record<ResolverKind, string>> = {
  unbound: '/usr/sbin/unbound',
  bind: '/usr/sbin/named',
  powerdns: '/usr/sbin/pdns_recursor',
};
const launcher = fileURLToPath(new URL('../../bin/parapet.js', import.meta.url));

/** Why the live tests can't run here; '' where they can. */
export function missing(kind: ResolverKind): string {
  const need = [programs[kind], '/usr/sbin/iodined', '/usr/bin/dns2tcpd', '/usr/sbin/knotd', '/usr/bin/tcpdump'];
  const absent = need.filter((p) => !existsSync(p));
  if (absent.length > 0) return `not installed: ${absent.join(', ')}`;
  if (!existsSync('/dev/net/tun')) return 'iodine needs /dev/net/tun';
  return noNamespaces();
}

/** Where each stands. */
const resolver = '10.232.1.1';
const iodined = '10.232.2.2';
const honest = '10.232.2.3';
const dns2tcpd = '10.232.2.4';

export interface Caught {
  readonly finding: Finding;
  readonly action: Action;
  /** From the first malicious query to a resolver's word that it refuses, milliseconds. */
  readonly provedMillis: number;
}

export class DnsWorld {
  readonly dir = mkdtempSync(join(tmpdir(), 'parapet-dns-'));
  readonly kind: ResolverKind;
  readonly records: Record<string, unknown>[] = [];
  /** What Parapet said beside its findings. */
  said = '';
  readonly #spaces: Namespaces;

  constructor(kind: ResolverKind) {
    this.kind = kind;
    this.#spaces = new Namespaces(`p${kind[0]}`);
  }

  /** @param road what Parapet watches: the resolver's dnstap, or the interface its clients come by */
  async start(road: 'dnstap' | 'live'): Promise<void> {
    this.#spaces.add('cl', 'rs', 'sv');
    this.#spaces.join(['cl', 'c0'], ['rs', 'r0']);
    this.#spaces.join(['sv', 's0'], ['rs', 'r1']);
    for (const [space, address, device] of [
      ['cl', '10.232.1.2/24', 'c0'],
      ['rs', `${resolver}/24`, 'r0'],
      ['rs', '10.232.2.1/24', 'r1'],
      ['sv', `${iodined}/24`, 's0'],
      ['sv', `${honest}/24`, 's0'],
      ['sv', `${dns2tcpd}/24`, 's0'],
    ] as const)
      this.#spaces.ip(space, 'addr', 'add', address, 'dev', device);
    this.#startServers();
    const socket = join(this.dir, 'dnstap.sock');
    const city = this.#city();
    const watching = this.#spawn('parapet', 'rs', process.execPath, [
      launcher,
      'watch',
      road === 'live' ? 'live:r0' : `dnstap:unix:${socket}`,
      '--plane',
      'dns',
      '--city',
      city,
      '--store',
      join(this.dir, 'data'),
      '--format',
      'ndjson',
    ]);
    let rest = '';
    watching.stdout!.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString('utf8')).split('\n');
      rest = lines.pop()!;
      for (const line of lines)
        if (line.startsWith('{')) this.records.push(JSON.parse(line) as Record<string, unknown>);
    });
    watching.stderr!.on('data', (chunk: Buffer) => {
      this.said += chunk.toString('utf8');
    });
    await this.until('Parapet serves its zone', () =>
      this.inNetwork(
        'rs',
        'dig',
        '+tcp',
        '+short',
        '+time=1',
        '+tries=1',
        '-p',
        '5300',
        '@127.0.0.1',
        'parapet.rpz',
        'SOA',
      ).includes('localhost'),
    );
    if (road === 'dnstap') await this.until('the dnstap socket is there', () => existsSync(socket));
    this.#startResolver(city, socket, road);
    if (road === 'live') await this.until('the interface is read', () => this.said.includes('live:r0 is read'));
    await this.until('ordinary names resolve', () => this.dig('www.good.example') === '10.232.2.80');
    await this.until('the resolver has the policy zone', () => this.#hasZone());
  }

  #hasZone(): boolean {
    // The canary is a rule that is always there.
    const text = this.inNetwork('rs', 'dig', '+time=1', '+tries=1', `@${resolver}`, 'use-application-dns.net', 'A');
    return text.includes('status: NXDOMAIN');
  }

  #city(): string {
    const path = join(this.dir, 'city.yaml');
    writeFileSync(
      path,
      `city: Livetown
dns: {resolvers: [${resolver}], protected: [good.example]}
assets: [{id: meter-0042, role: smart-meter, ip: 10.232.1.2}]
response:
  mode: enforce
  ttl: 1h
  rpz:
    listen: 127.0.0.1:5300
    consumers:
      - {name: site, kind: ${this.kind}, address: 127.0.0.1, notify: "127.0.0.1:53", ask: "${resolver}:53"}
`,
    );
    return path;
  }

  #startServers(): void {
    const file = (name: string, text: string): string => {
      const path = join(this.dir, name);
      writeFileSync(path, text, { mode: 0o600 });
      return path;
    };
    this.#spawn('iodined', 'sv', '/usr/sbin/iodined', [
      '-f',
      '-c',
      '-l',
      iodined,
      '-P',
      'secret',
      '10.99.0.1/27',
      't.example',
    ]);
    const zone = file(
      'good.zone',
      '$ORIGIN good.example.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 10.232.2.3\n*.hosts A 10.232.2.81\nwww A 10.232.2.80\n',
    );
    mkdirSync(join(this.dir, 'knot'));
    this.#spawn('knotd', 'sv', '/usr/sbin/knotd', [
      '-c',
      file(
        'knot.conf',
        `server:\n  rundir: "${this.dir}/knot"\n  user: root:root\n  listen: ${honest}@53\ndatabase:\n  storage: "${this.dir}/knot"\nzone:\n  - domain: good.example\n    file: "${zone}"\n    zonefile-sync: -1\n`,
      ),
    ]);
    this.#spawn('dns2tcpd', 'sv', '/usr/bin/dns2tcpd', [
      '-F',
      '-i',
      dns2tcpd,
      '-f',
      file(
        'dns2tcpd.conf',
        `listen = ${dns2tcpd}\nport = 53\nuser = root\nchroot = ${this.dir}\ndomain = d.example\nresources = echo:127.0.0.1:7777\n`,
      ),
    ]);
    // What the tunnel leads to: takes bytes, says nothing.
    this.#spawn('sink', 'sv', process.execPath, [
      '-e',
      'require("net").createServer((s) => { s.on("data", () => {}); s.on("error", () => {}); }).listen(7777, "0.0.0.0")',
    ]);
  }

  #startResolver(city: string, socket: string, road: string): void {
    const own = join(this.dir, 'resolver');
    mkdirSync(own);
    const file = (name: string, text: string): string => {
      writeFileSync(join(own, name), text);
      return join(own, name);
    };
    const settings = responseSettings(loadCity(city)).rpz!;
    const advice = adviceFor(settings.consumers[0]!, settings);
    const of = (where: string): string => advice.find((s) => s.where === where)?.text ?? '';
    if (this.kind === 'unbound') {
      const tap = `dnstap:\n  dnstap-enable: yes\n  dnstap-socket-path: "${socket}"\n  dnstap-bidirectional: yes\n  dnstap-log-client-query-messages: yes\n  dnstap-log-client-response-messages: yes\n`;
      this.#spawn('resolver', 'rs', programs.unbound, [
        '-d',
        '-c',
        file(
          'unbound.conf',
          `server:
  directory: "${own}"
  chroot: ""
  username: ""
  pidfile: "${own}/unbound.pid"
  use-syslog: no
  interface: ${resolver}
  interface: 127.0.0.1
  access-control: 10.232.0.0/16 allow
  access-control: 127.0.0.0/8 allow
  do-ip6: no
  do-not-query-localhost: no
  qname-minimisation: no
  domain-insecure: "example."
  ${of('server').replaceAll('\n', '\n  ')}
${Object.entries(stubs)
  .map(([zone, address]) => `stub-zone:\n  name: "${zone}"\n  stub-addr: ${address}\n`)
  .join('')}
remote-control:
  control-enable: no
${road === 'dnstap' ? tap : ''}${of('top level')}`,
        ),
      ]);
    } else if (this.kind === 'bind') {
      this.#spawn('resolver', 'rs', programs.bind, [
        '-g',
        '-c',
        file(
          'named.conf',
          `options {
  directory "${own}";
  pid-file "${own}/named.pid";
  session-keyfile "${own}/session.key";
  listen-on { ${resolver}; 127.0.0.1; };
  listen-on-v6 { none; };
  recursion yes;
  allow-query { any; };
  allow-recursion { any; };
  dnssec-validation no;
  qname-minimization off;
${of('options')}
};
controls { };
${Object.entries(stubs)
  .map(([zone, address]) => `zone "${zone}" { type static-stub; server-addresses { ${address}; }; };\n`)
  .join('')}
${of('top level')}`,
        ),
      ]);
    } else {
      const lua = file('rpz.lua', of('lua-config-file'));
      file(
        'recursor.conf',
        `local-address=${resolver},127.0.0.1
socket-dir=${own}
daemon=no
write-pid=no
threads=1
dont-query=
dnssec=off
qname-minimization=no
allow-from=127.0.0.0/8,10.232.0.0/16
forward-zones=${Object.entries(stubs)
          .map(([zone, address]) => `${zone}=${address}`)
          .join(',')}
hint-file=no
security-poll-suffix=
serve-rfc1918=no
lua-config-file=${lua}
loglevel=4
${of('recursor.conf')}`,
      );
      this.#spawn('resolver', 'rs', programs.powerdns, [`--config-dir=${own}`]);
    }
  }

  #spawn(name: string, where: 'cl' | 'rs' | 'sv', program: string, args: string[]): ChildProcess {
    return this.#spaces.spawn(name, where, program, ...args);
  }

  log(name: string): string {
    return this.#spaces.log(name);
  }

  /** Runs a program to its end; '' where it fails. */
  inNetwork(where: 'cl' | 'rs' | 'sv', ...words: string[]): string {
    try {
      return execFileSync('ip', ['netns', 'exec', this.#spaces.name(where), ...words], {
        encoding: 'utf8',
        timeout: 60_000,
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    } catch (error) {
      return String((error as { stdout?: string }).stdout ?? '');
    }
  }

  /** The client's look-up: addresses, or the status in capitals. */
  dig(name: string, type = 'A'): string {
    const text = this.inNetwork('cl', 'dig', '+time=2', '+tries=1', `@${resolver}`, name, type);
    const status = /status: (\w+)/.exec(text)?.[1] ?? 'TIMEOUT';
    const answer = /;; ANSWER SECTION:\n([\s\S]*?)\n\n/.exec(text)?.[1] ?? '';
    return status === 'NOERROR' && answer !== '' ? (answer.split('\n').at(-1)?.split(/\s+/).at(-1) ?? '') : status;
  }

  /** A tunnel up and data through it, until Parapet has proved that it is refused. */
  async tunnel(tool: 'iodine' | 'dns2tcp'): Promise<Caught> {
    const zone = tool === 'iodine' ? 't.example' : 'd.example';
    if (tool === 'iodine') {
      // With the type told, its handshake comes first: while it looks for a type it may be refused before it has said who it is.
      const how = ['-f', '-r', '-T', 'NULL', '-m', '700', '-P', 'secret'];
      this.#spawn('iodine', 'cl', '/usr/sbin/iodine', [...how, resolver, zone]);
      this.#spawn('data', 'cl', process.execPath, ['-e', pourInto('10.99.0.1', 7777)]);
    } else {
      this.#spawn('dns2tcp', 'cl', '/usr/bin/dns2tcpc', ['-r', 'echo', '-l', '2222', '-z', zone, resolver]);
      this.#spawn('data', 'cl', process.execPath, ['-e', pourInto('127.0.0.1', 2222)]);
    }
    let action: Action | undefined;
    await this.until(
      `the refusal of ${zone} is proved`,
      () => {
        action = this.records.findLast((r) => r.kind === 'action' && r.subject === zone) as Action | undefined;
        return action?.proofs.some((p) => p.enforced) ?? false;
      },
      120_000,
    );
    const finding = this.records.findLast(
      (r) => r.kind === 'finding' && (r as unknown as Finding).subject.value === zone,
    ) as unknown as Finding;
    const proved = action!.proofs.find((p) => p.enforced)!;
    return {
      finding,
      action: action!,
      provedMillis: Date.parse(String(proved.at)) - Date.parse(String(finding.firstAt)),
    };
  }

  /** Whether the far side of iodine's tunnel can be reached. */
  tunnelLives(): boolean {
    const script =
      'const s = require("net").connect({ host: "10.99.0.1", port: 7777 }, () => { console.log("lives"); process.exit(0); }); s.on("error", () => process.exit(1)); setTimeout(() => process.exit(1), 2000)';
    return this.inNetwork('cl', process.execPath, '-e', script).includes('lives');
  }

  /** Ends the attacker's client. */
  stopTunnel(): void {
    for (const program of ['iodine', 'dns2tcpc']) this.#spaces.end('cl', program);
  }

  /** parapet respond, beside the running one. */
  respond(...words: string[]): string {
    return this.inNetwork(
      'rs',
      process.execPath,
      launcher,
      'respond',
      ...words,
      '--store',
      join(this.dir, 'data'),
      '--city',
      join(this.dir, 'city.yaml'),
      '--by',
      'Ada',
      '--format',
      'text',
    );
  }

  /** parapet doctor, beside the running one. */
  doctor(): string {
    const city = join(this.dir, 'city.yaml');
    return this.inNetwork('rs', process.execPath, launcher, 'doctor', '--city', city, '--format', 'text');
  }

  async until(what: string, holds: () => boolean, millis = 30_000): Promise<void> {
    const end = performance.now() + millis;
    while (!holds()) {
      if (performance.now() > end)
        throw new Error(`not within ${millis} ms: ${what}\n${this.said}\n${this.#spaces.said}`);
      await sleep(20);
    }
  }

  async close(): Promise<void> {
    this.#spaces.close();
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

const stubs: Readonly<Record<string, string>> = { 't.example': iodined, 'good.example': honest, 'd.example': dns2tcpd };

/** A program that connects until it can and then sends 200 bytes, twenty times a second. */
function pourInto(host: string, port: number): string {
  return `const go = () => {
  const s = require('net').connect(${port}, '${host}', () => setInterval(() => s.write(require('crypto').randomBytes(200)), 50));
  s.on('error', () => setTimeout(go, 100));
};
go();`;
}
