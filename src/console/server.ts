// The console's web server: the built page, the state as JSON, changes as server-sent events, and the answers of
// people to held commands and proposed actions. Plain node:http; loopback unless told otherwise. It shows what the source says and computes nothing.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, relative, sep } from 'node:path';
import { FaultError, toJsonLine } from '#findings';
import { PAGE_DIST } from './build.ts';
import { Guard, securityHeaders } from './guard.ts';
import type { ConsoleSource, Decision } from './source.ts';
import { EventStream } from './stream.ts';

/** An answer carries a name and a digest; anything longer is not one. */
const BODY_BYTES_MAX = 4096;
/** One to an action carries its records besides: four names of 255 octets, each octet written as `\ddd`. */
const ACTION_BYTES_MAX = 16_384;
const PERSON_CHARACTERS_MAX = 64;
const CONNECTIONS_MAX = 128;

export interface ConsoleOptions {
  /** 0 takes any free port. */
  readonly port: number;
  readonly source: ConsoleSource;
  /** Loopback unless told. Elsewhere put a proxy with TLS and sign-in before it. */
  readonly host?: string;
  /** Names the page may be reached by beside localhost, 127.0.0.1, [::1] and `host`. */
  readonly names?: readonly string[];
  /** Folder of the built page; ensurePage() makes it. */
  readonly pageDir?: string;
}

export interface Console {
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

interface Asset {
  readonly bytes: Buffer;
  readonly type: string;
  readonly etag: string;
  /** Named by its content, so it may be kept for ever. */
  readonly hashed: boolean;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
};

/** @throws FaultError CONSOLE_NO_PAGE, CONSOLE_PORT */
export async function startConsole(options: ConsoleOptions): Promise<Console> {
  const host = options.host ?? '127.0.0.1';
  const wildcard = host === '0.0.0.0' || host === '::';
  const assets = readPage(options.pageDir ?? PAGE_DIST);
  const guard = new Guard([...(wildcard ? [] : [host.includes(':') ? `[${host}]` : host]), ...(options.names ?? [])]);
  const stream = new EventStream();
  const stop = options.source.subscribe((event) => stream.send(event));
  const handler = new Handler(options.source, assets, guard, stream);
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000, maxHeaderSize: 16_384 }, (req, res) => {
    handler.answer(req, res).catch(() => fail(res, 500, 'The console could not answer; its log says why.'));
  });
  server.maxConnections = CONNECTIONS_MAX;
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port, host, resolve);
    });
  } catch (error) {
    stop();
    stream.close();
    throw new FaultError({
      kind: 'fault',
      code: 'CONSOLE_PORT',
      file: `${host}:${options.port}`,
      text: `the console can't listen there: ${(error as Error).message}`,
      remedy: 'Choose another port, or end what uses this one.',
      lost: 'the web page; everything else goes on',
    });
  }
  const { port } = server.address() as AddressInfo;
  const shown = wildcard ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return {
    port,
    url: `http://${shown}:${port}/`,
    close: () =>
      new Promise((resolve) => {
        stop();
        stream.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The whole page in memory: a few hundred kilobytes, and no path from a request ever reaches the disk. */
function readPage(dir: string): ReadonlyMap<string, Asset> {
  if (!existsSync(join(dir, 'index.html')))
    throw new FaultError({
      kind: 'fault',
      code: 'CONSOLE_NO_PAGE',
      file: dir,
      text: 'the page is not built',
      remedy: 'Run "npm run build:page".',
      lost: 'the web page; everything else goes on',
    });
  const assets = new Map<string, Asset>();
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = `/${relative(dir, path).split(sep).join('/')}`;
    const bytes = readFileSync(path);
    assets.set(name, {
      bytes,
      type: types[extname(name)] ?? 'application/octet-stream',
      etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`,
      hashed: name.startsWith('/assets/'),
    });
  }
  assets.set('/', assets.get('/index.html')!);
  return assets;
}

class Handler {
  readonly #source: ConsoleSource;
  readonly #assets: ReadonlyMap<string, Asset>;
  readonly #guard: Guard;
  readonly #stream: EventStream;

  constructor(source: ConsoleSource, assets: ReadonlyMap<string, Asset>, guard: Guard, stream: EventStream) {
    this.#source = source;
    this.#assets = assets;
    this.#guard = guard;
    this.#stream = stream;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value);
    const misnamed = this.#guard.hostRefused(request);
    if (misnamed !== '') return fail(response, 421, misnamed);
    const target = request.url ?? '/';
    const cut = target.indexOf('?');
    const path = cut < 0 ? target : target.slice(0, cut);
    const query = new URLSearchParams(cut < 0 ? '' : target.slice(cut + 1));
    const method = request.method ?? '';
    if (method === 'POST') return this.#decide(request, response, path);
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD, POST');
      return fail(response, 405, 'Only GET and POST are answered here.');
    }
    if (path === '/api/state') return this.#state(response);
    if (path === '/api/events') return this.#events(request, response, query.get('since') ?? '');
    if (path === '/api/health') return this.#health(response);
    if (path.startsWith('/api/findings/')) return this.#finding(response, path.slice('/api/findings/'.length));
    return this.#asset(request, response, path);
  }

  #state(response: ServerResponse): void {
    // The stream's position is read before the snapshot: an event in between is seen twice, never missed.
    const last = this.#stream.last;
    const source = this.#source;
    sendJson(response, 200, {
      last,
      token: this.#guard.token,
      ...source.snapshot(),
      actions: source.actions?.() ?? [],
      consumers: source.consumers?.() ?? [],
      coverage: source.unseen?.() ?? [],
      responds: source.respond !== undefined,
    });
  }

  #events(request: IncomingMessage, response: ServerResponse, since: string): void {
    const header = request.headers['last-event-id'];
    const seen = typeof header === 'string' && header !== '' ? header : since;
    response.setHeader('content-type', 'text/event-stream; charset=utf-8');
    response.setHeader('cache-control', 'no-store');
    response.setHeader('x-accel-buffering', 'no');
    request.socket.setNoDelay(true);
    if (!this.#stream.join(response, seen))
      fail(response, 503, 'Too many pages are open. Close one and load this again.');
  }

  #health(response: ServerResponse): void {
    const { clientCount, eventCount, resetCount } = this.#stream;
    sendJson(response, 200, { ok: true, clientCount, eventCount, resetCount });
  }

  #finding(response: ServerResponse, encoded: string): void {
    const id = decode(encoded);
    const found = this.#source.finding?.(id) ?? this.#source.snapshot().findings.find((finding) => finding.id === id);
    if (found === undefined) fail(response, 404, 'There is no finding with that id.');
    else sendJson(response, 200, found);
  }

  #asset(request: IncomingMessage, response: ServerResponse, path: string): void {
    const asset = this.#assets.get(path);
    if (asset === undefined) {
      fail(response, 404, 'There is nothing here.');
      return;
    }
    response.setHeader('etag', asset.etag);
    response.setHeader('cache-control', asset.hashed ? 'public, max-age=31536000, immutable' : 'no-cache');
    if (request.headers['if-none-match'] === asset.etag) {
      response.writeHead(304).end();
      return;
    }
    response.writeHead(200, { 'content-type': asset.type, 'content-length': asset.bytes.length });
    response.end(request.method === 'HEAD' ? undefined : asset.bytes);
  }

  async #decide(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const refused = this.#guard.changeRefused(request);
    if (refused !== '') return fail(response, 403, refused);
    const match = /^\/api\/(?:holds\/([^/]{1,300})\/(release|refuse)|actions\/([^/]{1,300})\/(enforce|undo))$/.exec(
      path,
    );
    if (match === null) return fail(response, 404, 'There is nothing here.');
    if (!(request.headers['content-type'] ?? '').startsWith('application/json'))
      return fail(response, 415, 'The answer must be JSON.');
    const aboutHold = match[1] !== undefined;
    const body = await readBody(request, aboutHold ? BODY_BYTES_MAX : ACTION_BYTES_MAX);
    if (body === undefined) return fail(response, 413, 'The answer is too long.');
    const answer = parseAnswer(body);
    if (answer === undefined) return fail(response, 400, 'The answer needs the name of the person who gives it.');
    if (aboutHold) await this.#answerHold(response, decode(match[1]!), match[2] as 'release' | 'refuse', answer);
    else await this.#answerAction(response, decode(match[3]!), match[4] as 'enforce' | 'undo', answer);
  }

  async #answerHold(response: ServerResponse, id: string, what: 'release' | 'refuse', answer: Answer): Promise<void> {
    const hold = this.#source.snapshot().holds.find((held) => held.id === id);
    if (hold === undefined) return fail(response, 404, 'No command with that id waits.');
    if (hold.outcome !== undefined) return fail(response, 409, `It is decided already: ${hold.outcome.text}`);
    let decision: Decision;
    if (what === 'refuse') decision = await this.#source.refuse(id, answer.person);
    else if (hold.approvals.some((other) => samePerson(other, answer.person)))
      decision = { accepted: false, text: `${answer.person} has agreed already; another person is needed.` };
    else decision = await this.#source.release(id, answer.person, answer.digest);
    sendJson(response, decision.accepted ? 200 : 409, decision);
  }

  async #answerAction(response: ServerResponse, id: string, what: 'enforce' | 'undo', answer: Answer): Promise<void> {
    const action = this.#source.actions?.().find((a) => a.id === id);
    if (action === undefined || this.#source.respond === undefined)
      return fail(response, 404, 'There is no action with that id.');
    const published = action.state === 'enforced' || (action.state === 'proposed' && action.until !== undefined);
    if (what === 'undo' ? !published : published || action.state !== 'proposed')
      return fail(response, 409, `It is ${action.state}: ${action.text}`);
    // What a person read is what is done: an action whose records changed meanwhile has to be read again.
    if (JSON.stringify(action.records.map((r) => r.record)) !== JSON.stringify(answer.records))
      return fail(response, 409, 'The records have changed since they were shown. Read them again.');
    let decision: Decision;
    try {
      decision = { accepted: true, text: await this.#source.respond(id, what, answer.person) };
    } catch (error) {
      decision = { accepted: false, text: error instanceof FaultError ? error.fault.text : (error as Error).message };
    }
    sendJson(response, decision.accepted ? 200 : 409, decision);
  }
}

/** Names that only differ in case, spacing or spelling of the same letters are one person. */
function samePerson(a: string, b: string): boolean {
  const plain = (name: string): string => name.normalize('NFKC').trim().replace(/\s+/g, ' ').toLowerCase();
  return plain(a) === plain(b);
}

interface Answer {
  readonly person: string;
  readonly digest: string | undefined;
  /** The records the person saw. */
  readonly records: unknown;
}

function parseAnswer(body: string): Answer | undefined {
  try {
    const told: unknown = JSON.parse(body);
    if (typeof told !== 'object' || told === null) return undefined;
    const { person, digest, records } = told as { person?: unknown; digest?: unknown; records?: unknown };
    if (typeof person !== 'string') return undefined;
    const name = person.trim();
    // Control and formatting characters could make one name look like another.
    if (name === '' || name.length > PERSON_CHARACTERS_MAX || /[\p{C}]/u.test(name)) return undefined;
    return { person: name, digest: typeof digest === 'string' ? digest : undefined, records };
  } catch {
    return undefined;
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

async function readBody(request: IncomingMessage, bytesMax: number): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request) {
    length += (part as Buffer).length;
    if (length > bytesMax) return undefined;
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString('utf8');
}

function sendJson(response: ServerResponse, status: number, record: object): void {
  const bytes = Buffer.from(toJsonLine(record));
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    'content-length': bytes.length,
  });
  response.end(bytes);
}

function fail(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent) {
    response.end();
    return;
  }
  sendJson(response, status, { accepted: false, text });
}
