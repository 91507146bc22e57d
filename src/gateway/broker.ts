// The broker behind the gateway: a real Mosquitto on a free port of localhost where the machine has one, else aedes in
// this process (MQTT 3.1.1 only, which the caller is told). Nothing is kept on disk and nobody else is let in from afar.
// Localhost is trusted here: whoever may open sockets on this machine reaches the broker beside the gateway.
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

export interface Broker {
  readonly kind: 'mosquitto' | 'aedes';
  readonly port: number;
  /** One sentence about what was started. */
  readonly text: string;
  close(): Promise<void>;
}

export function findMosquitto(): string | undefined {
  const folders = ['/usr/sbin', '/usr/local/sbin', ...(process.env.PATH ?? '').split(delimiter)];
  for (const folder of folders) {
    const path = join(folder, 'mosquitto');
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  return undefined;
}

/** @param port 0 takes a free one */
export async function startBroker(port = 0): Promise<Broker> {
  const path = findMosquitto();
  return path === undefined ? startAedes(port) : startMosquitto(path, port);
}

async function startMosquitto(path: string, wanted: number): Promise<Broker> {
  const port = wanted === 0 ? await freePort() : wanted;
  const dir = mkdtempSync(join(tmpdir(), 'parapet-broker-'));
  const file = join(dir, 'mosquitto.conf');
  writeFileSync(
    file,
    [
      `listener ${port} 127.0.0.1`,
      'allow_anonymous true',
      'persistence false',
      'max_queued_messages 1000',
      'max_inflight_messages 64',
      'message_size_limit 262144',
      'set_tcp_nodelay true',
      'log_dest none',
      '',
    ].join('\n'),
    { mode: 0o600 },
  );
  // The shell waits on a pipe from here, which closes however this process ends, kill -9 included: no broker is left. One
  // that dies is started again on the same port; meanwhile commands are held.
  const keep =
    'trap \'kill "$broker"; exit\' TERM; while :; do "$1" -c "$2" & broker=$!; wait "$broker"; sleep 0.5; done';
  const guard = `(${keep}) & loop=$!; read -r _; kill "$loop"; wait "$loop"`;
  const child = spawn('/bin/sh', ['-c', guard, 'sh', path, file], { stdio: ['pipe', 'ignore', 'ignore'] });
  child.stdin?.on('error', () => {});
  const remove = (): void => rmSync(dir, { recursive: true, force: true });
  try {
    await answering(port, child);
  } catch (error) {
    child.stdin?.end();
    remove();
    throw error;
  }
  return {
    kind: 'mosquitto',
    port,
    text: `Mosquitto (${path}) on 127.0.0.1:${port}, nothing kept on disk.`,
    close: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = new Promise((resolve) => child.once('exit', resolve));
        child.stdin?.end();
        await gone;
      }
      remove();
    },
  };
}

async function startAedes(port: number): Promise<Broker> {
  const { Aedes } = await import('aedes');
  const aedes = await Aedes.createBroker();
  const server: Server = createServer(aedes.handle);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const at = (server.address() as AddressInfo).port;
  return {
    kind: 'aedes',
    port: at,
    text: `No mosquitto on this machine: the embedded aedes broker serves 127.0.0.1:${at}, for trying out only.`,
    close: () =>
      new Promise((resolve) => {
        aedes.close(() => server.close(() => resolve()));
      }),
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

async function answering(port: number, child: ChildProcess): Promise<void> {
  for (let i = 0; i < 100; i++) {
    if (child.exitCode !== null) throw new Error(`mosquitto ended with status ${child.exitCode}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('mosquitto did not open its port within 5 s');
}
