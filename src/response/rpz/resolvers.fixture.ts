// For tests: the four resolvers as processes on 127.0.0.1, set up with the texts of ../advice, each fetching from an address of
// its own, each ended by its id.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type AdviceSection, adviceFor, SECRET_PLACE } from '../advice/index.ts';
import { ask } from '../ask/index.ts';
import type { Consumer, ConsumerKind, Endpoint, RpzSettings } from '../config.ts';
import { Type } from '../wire/index.ts';

export const programs: Readonly<Record<ConsumerKind, string>> = {
  unbound: '/usr/sbin/unbound',
  bind: '/usr/sbin/named',
  powerdns: '/usr/sbin/pdns_recursor',
  knot: '/usr/sbin/kresd',
};
/** Where each fetches from. */
export const sources: Readonly<Record<ConsumerKind, string>> = {
  // Its transfers over TCP come from the address the system chooses, whatever outgoing-interface says.
  unbound: '127.0.0.1',
  bind: '127.0.0.12',
  powerdns: '127.0.0.13',
  knot: '127.0.0.14',
};
export const isInstalled = (kind: ConsumerKind): boolean => existsSync(programs[kind]);

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  await new Promise<void>((done) => server.close(() => done()));
  return port;
}

export interface Running {
  readonly kind: ConsumerKind;
  readonly process: ChildProcess;
  readonly log: () => string;
  stop(): Promise<void>;
}

/** @param change edits the configuration text before the start, e.g. to take an option back */
export async function startResolver(
  consumer: Consumer,
  rpz: RpzSettings,
  listening: Endpoint,
  upstreamPort: number,
  dir: string,
  change: (text: string) => string = (t) => t,
): Promise<Running> {
  const own = join(dir, consumer.name);
  mkdirSync(own, { recursive: true });
  const secret = consumer.tsig?.secret.toString('base64') ?? '';
  const advice = adviceFor(consumer, rpz, listening).map((s) => ({
    ...s,
    text: change(s.text).replaceAll(SECRET_PLACE, secret),
  }));
  const [program, args] = commandOf(consumer, advice, own, upstreamPort);
  const child = spawn(program, args, { cwd: own, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  const keep = (chunk: Buffer): void => {
    log = (log + chunk.toString('utf8')).slice(-20_000);
  };
  child.stdout!.on('data', keep);
  child.stderr!.on('data', keep);
  const running: Running = {
    kind: consumer.kind,
    process: child,
    log: () => log,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise<void>((done) => child.once('exit', () => done()));
      child.kill('SIGKILL');
      await gone;
    },
  };
  for (let i = 0; i < 100; i++) {
    if (child.exitCode !== null) break;
    const reply = await ask({ ...consumer.ask!, name: 'up.corp.example', type: Type.A, timeoutMs: 200 });
    if (!('failed' in reply) && reply.rcode === 0) return running;
    await pause(50);
  }
  await running.stop();
  throw new Error(`${consumer.kind} did not start: ${log}`);
}

const textOf = (advice: readonly AdviceSection[], where: string): string =>
  advice.find((s) => s.where === where)?.text ?? '';

function commandOf(c: Consumer, advice: readonly AdviceSection[], dir: string, up: number): [string, string[]] {
  const port = c.ask!.port;
  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  if (c.kind === 'unbound')
    return [
      programs.unbound,
      [
        '-d',
        '-c',
        file(
          'unbound.conf',
          `server:
  directory: "${dir}"
  chroot: ""
  username: ""
  pidfile: "${dir}/unbound.pid"
  use-syslog: no
  interface: 127.0.0.1
  port: ${port}
  access-control: 127.0.0.0/8 allow
  do-ip6: no
  do-not-query-localhost: no
  qname-minimisation: no
  ${textOf(advice, 'server').replaceAll('\n', '\n  ')}
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@${up}
remote-control:
  control-enable: no
${textOf(advice, 'top level')}`,
        ),
      ],
    ];
  if (c.kind === 'bind')
    return [
      programs.bind,
      [
        '-g',
        '-c',
        file(
          'named.conf',
          `options {
  directory "${dir}";
  pid-file "${dir}/named.pid";
  session-keyfile "${dir}/session.key";
  listen-on port ${port} { 127.0.0.1; };
  listen-on-v6 { none; };
  recursion yes;
  allow-query { any; };
  allow-recursion { any; };
  dnssec-validation no;
  forward only;
  forwarders { 127.0.0.1 port ${up}; };
  transfer-source ${sources.bind};
${textOf(advice, 'options')}
};
controls { };
${textOf(advice, 'top level')}`,
        ),
      ],
    ];
  if (c.kind === 'powerdns') {
    const lua = file(
      'rpz.lua',
      textOf(advice, 'lua-config-file').replace('refresh=', `localAddress="${sources.powerdns}", refresh=`),
    );
    file(
      'recursor.conf',
      `local-address=127.0.0.1:${port}
socket-dir=${dir}
daemon=no
write-pid=no
threads=1
dont-query=
dnssec=off
allow-from=127.0.0.0/8
forward-zones-recurse=.=127.0.0.1:${up}
hint-file=no
security-poll-suffix=
serve-rfc1918=no
lua-config-file=${lua}
loglevel=6
${textOf(advice, 'recursor.conf')}`,
    );
    return [programs.powerdns, [`--config-dir=${dir}`]];
  }
  return [
    programs.knot,
    [
      '-n',
      '-c',
      file(
        'kresd.conf',
        `net.listen('127.0.0.1', ${port})
cache.size = 10 * MB
trust_anchors.remove('.')
log_target('stdout')
log_level('info')
${textOf(advice, 'kresd.conf')}
policy.add(policy.all(policy.STUB('127.0.0.1@${up}')))
`,
      ),
      dir,
    ],
  ];
}
