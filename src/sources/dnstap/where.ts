// Where to listen: `unix:/path` or `tcp:host:port`. TCP is on this host only unless another address is given.
import { chmodSync, existsSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, type ListenOptions, type Server } from 'node:net';
import { dirname } from 'node:path';
import { dnstapListenFaults } from './faults.ts';

export type DnstapWhere = { readonly unix: string } | { readonly tcp: string };

export type DnstapCode = 'DNSTAP_ADDRESS' | 'DNSTAP_IN_USE' | 'DNSTAP_NOT_PERMITTED';

/** It could not listen. Code, text and remedy are those of dnstapListenFaults; `detail` is the system's word. */
export class DnstapError extends Error {
  readonly code: DnstapCode;
  readonly remedy: string;
  constructor(code: DnstapCode, place: string, detail: string) {
    const { text, remedy } = dnstapListenFaults[code]!;
    super(`${code}: ${place}: ${text}${detail === '' ? '' : ` (${detail})`} ${remedy}`);
    this.name = 'DnstapError';
    this.code = code;
    this.remedy = remedy;
  }
}

/** Longest path of a Unix socket (unix(7): sun_path has 108 octets, one of them the end). Node would cut a longer one. */
const UNIX_PATH_BYTES_MAX = 107;
/** Owner and group may connect. */
const UNIX_MODE = 0o660;

/** Listens. @returns the name of the place, as evidence has it. @throws DnstapError where it can't */
export async function listenAt(server: Server, where: DnstapWhere): Promise<string> {
  if ('unix' in where) {
    const name = `dnstap:unix:${where.unix}`;
    if (where.unix === '' || Buffer.byteLength(where.unix) > UNIX_PATH_BYTES_MAX)
      throw new DnstapError('DNSTAP_ADDRESS', name, 'a path of 1 to 107 octets');
    await removeStale(where.unix, name);
    await listen(server, { path: where.unix }, name);
    chmodSync(where.unix, UNIX_MODE);
    return name;
  }
  const parts = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(where.tcp);
  const port = Number(parts?.[3] ?? -1);
  if (parts === null || port > 65_535) throw new DnstapError('DNSTAP_ADDRESS', `dnstap:tcp:${where.tcp}`, '');
  const host = parts[1] ?? (parts[2] === '' ? '127.0.0.1' : parts[2]!);
  await listen(server, { host, port }, `dnstap:tcp:${where.tcp}`);
  const bound = server.address() as { address: string; port: number };
  return `dnstap:tcp:${bound.address.includes(':') ? `[${bound.address}]` : bound.address}:${bound.port}`;
}

function listen(server: Server, options: ListenOptions, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(new DnstapError(codeOf(error), name, error.message)));
    server.listen(options, () => resolve());
  });
}

function codeOf(error: NodeJS.ErrnoException): DnstapCode {
  if (error.code === 'EADDRINUSE') return 'DNSTAP_IN_USE';
  return error.code === 'EACCES' || error.code === 'EPERM' ? 'DNSTAP_NOT_PERMITTED' : 'DNSTAP_ADDRESS';
}

/** Removes the socket that a killed process left. What is no socket, and what somebody answers on, stays. */
async function removeStale(path: string, name: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) {
    if (!existsSync(dirname(path))) throw new DnstapError('DNSTAP_ADDRESS', name, 'its folder is not there');
    return;
  }
  if (!stat.isSocket()) throw new DnstapError('DNSTAP_ADDRESS', name, 'a file that is no socket is there');
  const answer = await new Promise<string>((resolve) => {
    const socket = connect(path);
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
    socket.once('connect', () => {
      socket.destroy();
      resolve('it answers');
    });
  });
  if (answer === 'ECONNREFUSED') unlinkSync(path);
  else if (answer !== 'ENOENT') throw new DnstapError('DNSTAP_IN_USE', name, answer);
}
