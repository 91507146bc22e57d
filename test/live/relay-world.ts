// Real relays on real packets: devices of a city behind one bridge, a gateway that sells them, destinations that customers ask
// for, and devices that do look-alike work of their own. What relays is other people's software; customers are curl.
import { type ChildProcess, execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Random, seededRandom } from '#lib/random';
import { Namespaces, noNamespaces, run } from './netns.ts';
import { sleep, until } from './world.ts';

const gateway = '198.51.100.1';
const cloud = '192.0.2.10';
const destinations = Array.from({ length: 40 }, (_, i) => `203.0.113.${i + 1}`);
const programs = {
  curl: '/usr/bin/curl',
  dbclient: '/usr/bin/dbclient',
  danted: '/usr/sbin/danted',
  microsocks: '/usr/bin/microsocks',
  nft: '/usr/sbin/nft',
  openssl: '/usr/bin/openssl',
  openvpn: '/usr/sbin/openvpn',
  ssh: '/usr/bin/ssh',
  sshd: '/usr/sbin/sshd',
  'ss-local': '/usr/bin/ss-local',
  'ss-server': '/usr/bin/ss-server',
  stunnel: '/usr/bin/stunnel4',
  tcpdump: '/usr/bin/tcpdump',
  tinyproxy: '/usr/bin/tinyproxy',
} as const;

export function missing(): string {
  const absent = Object.values(programs).filter((p) => !existsSync(p));
  if (absent.length > 0) return `not installed: ${absent.join(', ')}`;
  if (!existsSync('/dev/net/tun')) return 'openvpn needs /dev/net/tun';
  return noNamespaces();
}

/** How a customer's curl reaches a destination through a device. */
type Through = (address: string) => string[];

interface Device {
  readonly name: string;
  readonly ip: string;
  readonly isRelay: boolean;
}

export class RelayWorld {
  readonly dir = mkdtempSync(join(tmpdir(), 'parapet-relays-'));
  readonly capture = join(this.dir, 'relays.pcap');
  readonly devices: Device[] = [];
  /** Fetches by device: those that brought their octets, and those that did not. */
  readonly fetched = new Map<string, { whole: number; failed: number }>();
  readonly #spaces = new Namespaces('prl');
  readonly #sold = new Map<string, Through>();
  readonly #random: Random;
  #dump: ChildProcess | undefined;
  #isOver = false;

  constructor(seed: number) {
    this.#random = seededRandom(`relays ${seed}`);
  }

  get said(): string {
    return this.#spaces.said;
  }

  async start(): Promise<void> {
    const s = this.#spaces;
    s.add('net', 'gw');
    s.ip('net', 'link', 'add', 'br0', 'type', 'bridge');
    // An address of its own: else it would change with every device that joins.
    s.ip('net', 'link', 'set', 'br0', 'address', '02:00:00:00:00:01');
    s.ip('net', 'addr', 'add', '10.232.0.1/16', 'dev', 'br0');
    for (const address of [cloud, ...destinations]) s.ip('net', 'addr', 'add', `${address}/32`, 'dev', 'lo');
    s.ip('net', 'link', 'set', 'br0', 'up');
    s.inside('net', 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
    s.join(['net', 'g0'], ['gw', 'eth0']);
    s.ip('net', 'addr', 'add', '198.51.100.254/24', 'dev', 'g0');
    s.ip('gw', 'addr', 'add', `${gateway}/24`, 'dev', 'eth0');
    s.ip('gw', 'route', 'add', 'default', 'via', '198.51.100.254');
    this.#keys();
    await this.#web();
    await this.#sell();
    for (const name of ['plain', 'camera', 'desk', 'maintained', 'backup']) this.#device(name, false);
    this.#dump = s.spawn('tcpdump', 'net', programs.tcpdump, '-i', 'br0', '-U', '-B', '65536', '-w', this.capture);
    await until('tcpdump listens', () => s.log('tcpdump').includes('listening on'));
  }

  /** Customers and devices at work for so long; then all that runs is ended, and the capture is whole. */
  async run(seconds: number): Promise<void> {
    const work = [
      ...[...this.#sold].map(([name, through]) => this.#customers(name, through)),
      ...this.devices.map((d) => this.#telemetry(d.name)),
      this.#camera(),
      this.#desk(),
      this.#maintained(),
      this.#backup(),
    ];
    await sleep(seconds * 1000);
    this.#isOver = true;
    await Promise.all(work);
    await sleep(1000);
    const done = new Promise((end) => this.#dump!.once('exit', end));
    this.#dump!.kill('SIGINT');
    await done;
  }

  close(): void {
    this.#isOver = true;
    this.#spaces.close();
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }

  #device(name: string, isRelay: boolean): string {
    const s = this.#spaces;
    const n = this.devices.length + 1;
    const ip = `10.232.1.${n}`;
    s.add(name);
    s.join(['net', `d${n}`], [name, 'eth0']);
    s.ip('net', 'link', 'set', `d${n}`, 'master', 'br0');
    s.ip(name, 'addr', 'add', `${ip}/16`, 'dev', 'eth0');
    s.ip(name, 'route', 'add', 'default', 'via', '10.232.0.1');
    this.devices.push({ name, ip, isRelay });
    this.fetched.set(name, { whole: 0, failed: 0 });
    return ip;
  }

  #file(name: string, text: string): string {
    const path = join(this.dir, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  #keys(): void {
    const at = (name: string): string => join(this.dir, name);
    for (const name of ['host', 'user']) run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', at(name));
    run('dropbearkey', '-t', 'ed25519', '-f', at('dropbear'));
    const second = run('dropbearkey', '-y', '-f', at('dropbear'))
      .split('\n')
      .find((l) => l.startsWith('ssh-'))!;
    this.#file('authorized', `${run('ssh-keygen', '-y', '-f', at('user')).trim()}\n${second}\n`);
    for (const name of ['web', 'gateway', 'device'])
      run(
        'openssl',
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-days',
        '2',
        '-subj',
        `/CN=${name}.example`,
        '-keyout',
        at(`${name}.key`),
        '-out',
        at(`${name}.crt`),
      );
  }

  async #web(): Promise<void> {
    const script = this.#file(
      'web.mjs',
      `import https from 'node:https'; import { readFileSync } from 'node:fs'; import { randomBytes } from 'node:crypto';
const body = randomBytes(1 << 22);
https.createServer({ key: readFileSync('web.key'), cert: readFileSync('web.crt') }, (q, r) => {
  q.on('data', () => {}).on('end', () => r.end(body.subarray(0, Number(q.url.slice(1)) || 0)));
}).listen(443, '0.0.0.0', () => console.log('serves'));`,
    );
    this.#spaces.spawn('web', 'net', 'env', '-C', this.dir, process.execPath, script);
    await until('the destinations serve', () => this.#spaces.log('web').includes('serves'));
    mkdirSync('/run/sshd', { recursive: true });
    this.#sshd('gw', gateway, 22);
  }

  #sshd(space: string, address: string, port: number): void {
    const config = this.#file(
      `sshd-${space}`,
      `ListenAddress ${address}:${port}
HostKey ${join(this.dir, 'host')}
AuthorizedKeysFile ${join(this.dir, 'authorized')}
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
`,
    );
    this.#spaces.spawn(`sshd-${space}`, space, programs.sshd, '-D', '-e', '-f', config);
  }

  /** The client with its key and nobody to ask. */
  get #ssh(): readonly string[] {
    const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'ServerAliveInterval=15'];
    return [programs.ssh, '-F', 'none', '-i', join(this.dir, 'user'), ...options.flatMap((o) => ['-o', o])];
  }

  /** Each way to sell a device, with how customers use it. */
  async #sell(): Promise<void> {
    const s = this.#spaces;
    const socks =
      (host: string, port = 1080): Through =>
      () => ['--socks5', `${host}:${port}`];
    const sell = (name: string, how: (ip: string) => Through): void => {
      const ip = this.#device(name, true);
      this.#sold.set(name, how(ip));
    };
    // One long session out of the device that carries every customer in.
    sell('openssh', () => {
      s.spawn('openssh', 'openssh', ...this.#ssh, '-N', '-R', '127.0.0.1:1081', gateway);
      return socks('127.0.0.1', 1081);
    });
    sell('dropbear', () => {
      s.spawn('dropbear-socks', 'dropbear', programs.microsocks, '-i', '127.0.0.1', '-p', '1080');
      s.spawn(
        'dropbear',
        'dropbear',
        programs.dbclient,
        '-y',
        '-y',
        '-N',
        '-K',
        '15',
        '-i',
        join(this.dir, 'dropbear'),
        '-R',
        '1082:127.0.0.1:1080',
        `root@${gateway}`,
      );
      return socks('127.0.0.1', 1082);
    });
    // A session into the device for each customer's connection.
    sell('microsocks', (ip) => {
      s.spawn('microsocks', 'microsocks', programs.microsocks, '-i', '0.0.0.0', '-p', '1080');
      return socks(ip);
    });
    sell('dante', (ip) => {
      const config = this.#file(
        'danted.conf',
        `logoutput: stderr\ninternal: ${ip} port = 1080\nexternal: ${ip}\nclientmethod: none\nsocksmethod: none\nuser.privileged: root\nuser.unprivileged: root\nclient pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }\nsocks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }\n`,
      );
      s.spawn('dante', 'dante', programs.danted, '-f', config, '-p', join(this.dir, 'danted.pid'));
      return socks(ip);
    });
    sell('tinyproxy', (ip) => {
      const config = this.#file('tinyproxy.conf', `Port 8888\nListen ${ip}\nTimeout 600\nAllow 0.0.0.0/0\n`);
      s.spawn('tinyproxy', 'tinyproxy', programs.tinyproxy, '-d', '-c', config);
      return () => ['--proxy', `http://${ip}:8888`];
    });
    sell('shadowsocks', (ip) => {
      const how = ['-k', 'a-test-key', '-m', 'chacha20-ietf-poly1305'];
      s.spawn('shadowsocks', 'shadowsocks', programs['ss-server'], '-s', ip, '-p', '8388', ...how);
      s.spawn(
        'shadowsocks-gw',
        'gw',
        programs['ss-local'],
        '-s',
        ip,
        '-p',
        '8388',
        '-b',
        '127.0.0.1',
        '-l',
        '1083',
        ...how,
      );
      return socks('127.0.0.1', 1083);
    });
    sell('stunnel', (ip) => {
      const end = (name: string, text: string): string =>
        this.#file(`stunnel-${name}.conf`, `foreground = yes\npid =\n[socks]\n${text}`);
      s.spawn('stunnel-socks', 'stunnel', programs.microsocks, '-i', '127.0.0.1', '-p', '1080');
      s.spawn(
        'stunnel',
        'stunnel',
        programs.stunnel,
        end(
          'device',
          `accept = ${ip}:8443\nconnect = 127.0.0.1:1080\ncert = ${join(this.dir, 'device.crt')}\nkey = ${join(this.dir, 'device.key')}\n`,
        ),
      );
      s.spawn(
        'stunnel-gw',
        'gw',
        programs.stunnel,
        end('gw', `client = yes\naccept = 127.0.0.1:1084\nconnect = ${ip}:8443\n`),
      );
      return socks('127.0.0.1', 1084);
    });
    // One session of datagrams out of the device; customers' packets leave by its address.
    sell('openvpn', () => {
      const print = (name: string): string =>
        run('openssl', 'x509', '-noout', '-fingerprint', '-sha256', '-in', join(this.dir, `${name}.crt`))
          .split('=')[1]!
          .trim();
      const end = (mine: string, other: string): string[] => [
        '--dev',
        'tun',
        '--proto',
        'udp',
        '--nobind',
        '--dh',
        'none',
        '--cert',
        join(this.dir, `${mine}.crt`),
        '--key',
        join(this.dir, `${mine}.key`),
        '--peer-fingerprint',
        print(other),
        '--keepalive',
        '10',
        '60',
      ];
      s.spawn(
        'openvpn-gw',
        'gw',
        programs.openvpn,
        ...end('gateway', 'device').filter((w) => w !== '--nobind'),
        '--lport',
        '1194',
        '--local',
        gateway,
        '--tls-server',
        '--ifconfig',
        '10.9.0.1',
        '10.9.0.2',
      );
      s.spawn(
        'openvpn',
        'openvpn',
        programs.openvpn,
        ...end('device', 'gateway').filter((w) => w !== '--dh' && w !== 'none'),
        '--remote',
        gateway,
        '1194',
        '--tls-client',
        '--ifconfig',
        '10.9.0.2',
        '10.9.0.1',
      );
      s.inside('openvpn', 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
      s.inside(
        'openvpn',
        'nft',
        'add table ip out; add chain ip out post { type nat hook postrouting priority srcnat; }; add rule ip out post oifname eth0 ip saddr 10.9.0.0/24 masquerade',
      );
      return () => ['--interface', '10.9.0.1'];
    });
    await until('openvpn is up', () => s.log('openvpn').includes('Initialization Sequence Completed'));
    // Customers of the VPN leave by the tunnel, whatever they ask for.
    s.ip('gw', 'rule', 'add', 'from', '10.9.0.1', 'table', '9');
    s.ip('gw', 'route', 'add', 'default', 'via', '10.9.0.2', 'table', '9');
    for (const [name, through] of this.#sold) await this.#untilWorks(name, through);
  }

  async #untilWorks(name: string, through: Through): Promise<void> {
    let works = false;
    for (let tries = 0; tries < 250 && !works; tries++) {
      works = await this.#fetch('gw', destinations[0]!, 100, through(destinations[0]!));
      if (!works) await sleep(200);
    }
    if (!works) throw new Error(`${name} relays nothing\n${this.said}`);
  }

  /** One page; whether it came whole. */
  #fetch(
    space: string,
    address: string,
    bytes: number,
    words: readonly string[] = [],
    body?: string,
  ): Promise<boolean> {
    const name = `www${address.split('.')[3]}.example`;
    const args = [
      'netns',
      'exec',
      this.#spaces.name(space),
      programs.curl,
      '-sk',
      '-m',
      '20',
      '-o',
      '/dev/null',
      '-w',
      '%{size_download}',
      '--connect-to',
      `${name}:443:${address}:443`,
      ...words,
      ...(body === undefined ? [] : ['-T', body]),
      `https://${name}/${bytes}`,
    ];
    return new Promise((done) =>
      execFile('ip', args, (error, out) => done(error === null && (body !== undefined || Number(out) === bytes))),
    );
  }

  /** Octets of a page: most some tens of thousands, few more than a million. */
  #size(): number {
    return Math.round(Math.min(2_000_000, 20_000 * Math.exp(this.#random.normal(1.2))));
  }
  #pick(): string {
    return this.#random.pick(destinations);
  }
  /** Waits for a while, or until all is over. */
  async #pause(meanSeconds: number): Promise<void> {
    const end = performance.now() + this.#random.exponential(meanSeconds) * 1000;
    while (!this.#isOver && performance.now() < end) await sleep(Math.min(200, end - performance.now()));
  }

  async #customers(name: string, through: Through): Promise<void> {
    const tally = this.fetched.get(name)!;
    while (!this.#isOver) {
      await this.#pause(3);
      if (this.#isOver) return;
      // A page is now and then made of pieces from several hosts.
      const pieces = this.#random.chance(0.3) ? 3 : 1;
      const whole = await Promise.all(
        Array.from({ length: pieces }, () => {
          const address = this.#pick();
          return this.#fetch('gw', address, this.#size(), through(address));
        }),
      );
      for (const ok of whole) ok ? (tally.whole += 1) : (tally.failed += 1);
    }
  }

  /** What every device does for itself: a reading to its maker's cloud. */
  async #telemetry(name: string): Promise<void> {
    const body = this.#file(`reading-${name}`, 'r'.repeat(1500));
    while (!this.#isOver) {
      await this.#pause(8);
      if (!this.#isOver) await this.#fetch(name, cloud, 200, [], body);
    }
  }

  /** Clips to the cloud, while its maker's mirrors are asked for an update in pieces. */
  async #camera(): Promise<void> {
    const clip = this.#file('clip', 'c'.repeat(300_000));
    while (!this.#isOver) {
      await this.#pause(3);
      if (this.#isOver) return;
      await this.#count('camera', [
        this.#fetch('camera', cloud, 100, [], clip),
        this.#fetch('camera', this.#pick(), 300_000),
      ]);
    }
  }

  /** A person's pages, beside a slow upload that never ends. */
  async #desk(): Promise<void> {
    const archive = this.#file('archive', 'a'.repeat(20_000_000));
    const upload = this.#fetch('desk', cloud, 100, ['--limit-rate', '100k', '-m', '600'], archive);
    void upload;
    while (!this.#isOver) {
      await this.#pause(5);
      if (this.#isOver) return;
      await this.#count(
        'desk',
        Array.from({ length: 5 }, () => this.#fetch('desk', this.#pick(), this.#size())),
      );
    }
  }

  /** A way in for its maintainer, who takes logs away, while it fetches updates itself. */
  async #maintained(): Promise<void> {
    const s = this.#spaces;
    this.#sshd('maintained', '127.0.0.1', 22);
    s.spawn('maintained', 'maintained', ...this.#ssh, '-N', '-R', '127.0.0.1:2222:127.0.0.1:22', gateway);
    while (!this.#isOver) {
      await this.#pause(4);
      if (this.#isOver) return;
      const bytes = String(this.#size());
      const log = new Promise<boolean>((done) =>
        execFile(
          'ip',
          ['netns', 'exec', s.name('gw'), ...this.#ssh, '-p', '2222', '127.0.0.1', `head -c ${bytes} /dev/urandom`],
          { maxBuffer: 1 << 26, encoding: 'latin1' },
          (error, out) => done(error === null && out.length === Number(bytes)),
        ),
      );
      await this.#count('maintained', [log, this.#fetch('maintained', this.#pick(), this.#size())]);
    }
  }

  /** Files of all sizes to the cloud, each while as many come from its mirrors. */
  async #backup(): Promise<void> {
    const files = Array.from({ length: 20 }, (_, i) => this.#file(`backup-${i}`, 'b'.repeat(this.#size())));
    while (!this.#isOver) {
      await this.#pause(3);
      if (this.#isOver) return;
      const up = this.#fetch('backup', cloud, 100, [], this.#random.pick(files));
      await this.#count('backup', [up, this.#fetch('backup', this.#pick(), this.#size())]);
    }
  }

  async #count(name: string, work: readonly Promise<boolean>[]): Promise<void> {
    const tally = this.fetched.get(name)!;
    for (const ok of await Promise.all(work)) ok ? (tally.whole += 1) : (tally.failed += 1);
  }
}
