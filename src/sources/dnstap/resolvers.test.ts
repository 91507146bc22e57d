// Real Unbound and real BIND write to the listener while dig asks them.
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { type DnstapListener, openDnstap } from '#sources/dnstap';
import { hear, type Row } from './testing.ts';

const has = (command: string): boolean => spawnSync(command, ['-V']).error === undefined;
const hasDig = spawnSync('dig', ['-v']).error === undefined;

interface Server {
  readonly name: string;
  /** Writes what it needs into `dir` and says how to start it. */
  start(dir: string, port: number, socket: string): ChildProcess;
}

const unbound: Server = {
  name: 'unbound',
  start(dir, port, socket) {
    writeFileSync(
      join(dir, 'unbound.conf'),
      `server:
  chroot: ""
  username: ""
  directory: "${dir}"
  pidfile: "${dir}/pid"
  use-syslog: no
  interface: 127.0.0.1@${port}
  access-control: 127.0.0.0/8 allow
  module-config: "iterator"
  do-ip6: no
  num-threads: 1
  local-zone: "t.example." redirect
  local-data: "t.example. A 192.0.2.1"
dnstap:
  dnstap-enable: yes
  dnstap-socket-path: "${socket}"
  dnstap-bidirectional: yes
  dnstap-log-client-query-messages: yes
  dnstap-log-client-response-messages: yes
remote-control:
  control-enable: no
`,
    );
    return logged(dir, 'unbound', '-d', '-c', join(dir, 'unbound.conf'));
  },
};

const bind: Server = {
  name: 'named',
  start(dir, port, socket) {
    writeFileSync(
      join(dir, 't.zone'),
      '$TTL 60\n@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 192.0.2.2\n* A 192.0.2.1\n',
    );
    writeFileSync(
      join(dir, 'named.conf'),
      `options {
  directory "${dir}";
  pid-file "${dir}/pid";
  session-keyfile "${dir}/key";
  managed-keys-directory "${dir}";
  listen-on port ${port} { 127.0.0.1; };
  listen-on-v6 { none; };
  recursion no;
  dnstap { client; auth; };
  dnstap-output unix "${socket}";
  fstrm-set-reopen-interval 1;
  fstrm-set-flush-timeout 1;
};
controls {};
zone "t.example" { type primary; file "t.zone"; };
`,
    );
    return logged(dir, 'named', '-g', '-c', join(dir, 'named.conf'));
  },
};

/** Starts a server whose words go to a file, for the message of a test that fails. */
function logged(dir: string, ...words: string[]): ChildProcess {
  const log = openSync(join(dir, 'log'), 'a');
  const child = spawn(words[0]!, words.slice(1), { stdio: ['ignore', log, log] });
  closeSync(log);
  return child;
}

const opened: DnstapListener[] = [];
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const listener of opened.splice(0)) listener.close();
  await Promise.all(children.splice(0).map(end));
});

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGTERM');
  await gone;
}

/** Sensor's loop: waits, pulls, until the listener ends. */
async function run(listener: DnstapListener, heard: ReturnType<typeof hear>): Promise<void> {
  do await listener.peekAt();
  while (await listener.pull(Number.POSITIVE_INFINITY, heard.sink));
}

async function until(isTrue: () => boolean, what: () => string): Promise<void> {
  for (let i = 0; i < 3000 && !isTrue(); i++) await sleep(5);
  if (!isTrue()) throw new Error(what());
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', () => resolve()));
  const { port } = socket.address();
  socket.close();
  return port;
}

const dig = promisify(execFile);

/** Asks for a name that does not count, whether or not anybody answers. */
async function poke(port: number): Promise<void> {
  await dig('dig', ['@127.0.0.1', '-p', String(port), '+tries=1', '+time=1', 'up.t.example']).catch(() => {});
}

/** Asks for names `from`..`from + count`, every tenth over TCP; each gets an answer. */
async function ask(port: number, from: number, count: number): Promise<void> {
  const words = Array.from({ length: count }, (_, i) => [
    `n${from + i}-x.t.example`,
    i % 10 === 0 ? '+tcp' : '+notcp',
  ]).flat();
  const { stdout } = await dig('dig', [`@127.0.0.1`, '-p', String(port), '+tries=1', ...words]);
  expect(stdout.match(/status: NOERROR/g)).toHaveLength(count);
}

/** Numbers of the names that were asked, or answered, with how often. */
function namesOf(rows: readonly Row[], isResponse: boolean): number[] {
  const out: number[] = [];
  for (const row of rows) {
    const bytes = Buffer.from(row.message, 'hex');
    const name = /n(\d+)-x\x01t\x07example/.exec(bytes.toString('latin1'));
    if (name !== null && bytes[2]! >> 7 === Number(isResponse)) out.push(Number(name[1]));
  }
  return out.sort((a, b) => a - b);
}
const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);

describe.each([unbound, bind])('dnstap of a running $name', (server) => {
  const isHere = has(server.name) && hasDig;
  if (!isHere) console.log(`skipped: ${server.name} or dig is not installed`);

  it.skipIf(!isHere)('brings every query and answer, also after either side was started anew', async () => {
    const dir = mkdtempSync(join(tmpdir(), `parapet-${server.name}-`));
    mkdirSync(join(dir, 'run'));
    const socket = join(dir, 'run', 'dnstap.sock');
    const port = await freePort();
    const said = (): string => readFileSync(join(dir, 'log'), 'utf8').slice(-4000);
    const open = async (): Promise<{ listener: DnstapListener; heard: ReturnType<typeof hear> }> => {
      const listener = await openDnstap({ unix: socket });
      opened.push(listener);
      const heard = hear();
      void run(listener, heard);
      return { listener, heard };
    };
    /** Until a message has come through: before its writer is open, a server throws messages away (fstrm/iothr.c). */
    const opens = async (heard: ReturnType<typeof hear>): Promise<void> => {
      const from = heard.rows.length;
      for (let i = 0; heard.rows.length === from; i++) {
        if (i >= 150) throw new Error(`nothing comes through\n${said()}`);
        await poke(port);
        await sleep(100);
      }
    };
    const start = async (listener: DnstapListener, heard: ReturnType<typeof hear>): Promise<ChildProcess> => {
      const child = server.start(dir, port, socket);
      children.push(child);
      await until(
        () => listener.senders === 1,
        () => `it does not connect\n${said()}`,
      );
      await opens(heard);
      return child;
    };
    const heardAll = async (heard: ReturnType<typeof hear>, from: number, count: number): Promise<void> => {
      await until(
        () => namesOf(heard.rows, true).length >= count && namesOf(heard.rows, false).length >= count,
        () => {
          const [queries, responses] = [false, true].map((r) => namesOf(heard.rows, r));
          const missing = range(from, count).filter((n) => !queries!.includes(n) || !responses!.includes(n));
          const ends = children.map((c) => `${c.pid} ended ${c.exitCode ?? c.signalCode}`);
          return `queries ${queries!.length}, responses ${responses!.length}, missing ${missing}; senders ${opened.map((l) => l.senders)}; ${ends}; faults ${heard.faults}\n${said()}`;
        },
      );
      expect(namesOf(heard.rows, false)).toEqual(range(from, count));
      expect(namesOf(heard.rows, true)).toEqual(range(from, count));
    };

    const { listener, heard } = await open();
    const first = await start(listener, heard);
    await ask(port, 0, 100);
    await heardAll(heard, 0, 100);
    const mine = heard.rows.filter((r) => /6e\d+2d780174/.test(r.message));
    expect(mine.filter((r) => r.transport === 6)).toHaveLength(20);
    for (const row of mine) {
      expect(row).toMatchObject({ client: '127.0.0.1', server: '127.0.0.1', serverPort: port });
      expect(Math.abs(row.at / 1000 - Date.now())).toBeLessThan(60_000);
    }

    // The server is started anew while the listener stays.
    await end(first);
    await until(
      () => listener.senders === 0,
      () => 'it stays connected',
    );
    await start(listener, heard);
    await ask(port, 100, 50);
    await heardAll(heard, 0, 150);

    // The listener is started anew while the server stays.
    listener.close();
    const again = await open();
    // BIND sees that the listener has gone only when it writes, and asks again to be let in after a second.
    await opens(again.heard);
    await ask(port, 1000, 100);
    await heardAll(again.heard, 1000, 100);
    expect([...heard.faults, ...again.heard.faults]).toEqual([]);
    expect(again.listener.loss).toEqual({ shed: 0, held: 0, cut: 0 });
  });
});
