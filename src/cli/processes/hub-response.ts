// The hub's hand: findings are offered to the response desk, and people at the page or at `parapet respond` answer it. The
// latter come through a socket in the store's folder that only this user may open.
import { chmodSync, existsSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { City } from '#city';
import type { Action, Fault, Finding } from '#findings';
import { ResponseDesk } from '#response';
import { openActions } from '#store';

/** A longer request is none of ours. */
const REQUEST_BYTES_MAX = 4096;
const EXPIRE_MILLIS = 1000;

export const respondSocket = (store: string): string => join(store, 'respond.sock');

export interface RespondRequest {
  readonly what: 'propose' | 'enforce' | 'undo' | 'prove';
  /** An action's id, or a finding's for `propose`. */
  readonly id: string;
  readonly by: string;
}
export interface RespondAnswer {
  readonly done: boolean;
  readonly text: string;
  readonly action?: Action;
}

export interface HubResponseOptions {
  readonly city: City;
  readonly store: string;
  /** False where the input is a recording: what it tells of is over, so nothing is enforced without a person. */
  readonly isLive: boolean;
  finding(id: string): Finding | undefined;
  tell(action: Action): void;
  /** What an enforcer found wrong by itself. */
  fault(fault: Fault): void;
}

export class HubResponse {
  readonly desk: ResponseDesk;
  readonly #options: HubResponseOptions;
  #server: Server | undefined;
  readonly #timer: NodeJS.Timeout;

  /** @throws FaultError RESPONSE_CONFIG @throws StoreError */
  constructor(options: HubResponseOptions) {
    this.#options = options;
    const { city, isLive } = options;
    const mode = city.file.response?.mode ?? 'observe';
    const careful =
      mode === 'enforce' && !isLive
        ? new City({ ...city.file, response: { ...city.file.response, mode: 'propose' } }, city.dir)
        : city;
    this.desk = new ResponseDesk({
      city: careful,
      ledger: openActions(options.store),
      // Resolvers are real whatever the input is: leases run by the wall clock.
      now: () => Date.now() * 1000,
      onAction: (action) => options.tell(action),
      onFault: (fault) => options.fault(fault),
    });
    this.#timer = setInterval(() => this.desk.expire(Date.now() * 1000), EXPIRE_MILLIS);
    this.#timer.unref();
  }

  async start(): Promise<void> {
    await this.desk.start();
    const path = respondSocket(this.#options.store);
    // The store is locked by us: a socket that is there was left by a hub that died.
    if (existsSync(path)) rmSync(path);
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, () => resolve());
    });
    chmodSync(path, 0o600);
    server.unref();
    this.#server = server;
  }

  offer(findings: readonly Finding[]): void {
    for (const f of findings) if (f.response.length > 0) this.desk.offer(f);
  }

  /** @throws Error whose message says why it was not done */
  async respond(request: RespondRequest): Promise<RespondAnswer> {
    if (request.by === '') throw new Error('Say who asks: --by NAME.');
    if (request.what === 'propose') {
      const finding = this.#options.finding(request.id);
      if (finding === undefined) throw new Error(`There is no finding ${request.id}.`);
      const [action] = this.desk.propose(finding, request.by);
      if (action === undefined) throw new Error('That finding asks for nothing that can be refused by a policy zone.');
      return { done: action.state !== 'refused', text: action.text, action };
    }
    const action =
      request.what === 'enforce'
        ? this.desk.enforce(request.id, request.by)
        : request.what === 'undo'
          ? this.desk.undo(request.id, request.by)
          : await this.desk.prove(request.id);
    if (action === undefined) throw new Error(`There is no action ${request.id}.`);
    await this.desk.settled();
    const now = this.desk.find(request.id) ?? action;
    return { done: now.state !== 'refused', text: now.text, action: now };
  }

  #serve(socket: Socket): void {
    let text = '';
    socket.setTimeout(60_000, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      if (text.length > REQUEST_BYTES_MAX) socket.destroy();
      else if (text.includes('\n')) {
        void this.#answer(text.slice(0, text.indexOf('\n'))).then((answer) =>
          socket.end(`${JSON.stringify(answer)}\n`),
        );
        socket.pause();
      }
    });
  }

  async #answer(line: string): Promise<RespondAnswer> {
    try {
      const request = JSON.parse(line) as Partial<RespondRequest>;
      const { what, id, by } = request;
      if (
        typeof id !== 'string' ||
        typeof by !== 'string' ||
        !['propose', 'enforce', 'undo', 'prove'].includes(what ?? '')
      )
        throw new Error('The request is not understood.');
      return await this.respond({ what: what!, id, by });
    } catch (error) {
      return { done: false, text: (error as Error).message };
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#server?.close();
    await this.desk.close();
  }
}
