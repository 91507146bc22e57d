// Server-sent events to many pages (WHATWG HTML section 9.2). Every event has an id `<start>-<n>`; a page that comes
// back with the last one it saw gets what it missed, or `reset` where that is no longer kept. A page that reads too
// slowly loses its queue and gets `reset` as well: it then asks for the whole state, so memory stays bounded and no
// page is left with a gap it doesn't know of.
import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { toJsonLine } from '#findings';
import type { ConsoleEvent } from './source.ts';

/** Events kept for pages that reconnect. */
const KEPT_MAX = 2048;
/** Events waiting for one slow page. */
const QUEUE_MAX = 256;
export const CLIENTS_MAX = 32;
const HEARTBEAT_MS = 15_000;
const RETRY_MS = 1_000;

interface Client {
  readonly response: ServerResponse;
  queue: string[];
  /** The socket's buffer is full; the queue takes over until `drain`. */
  blocked: boolean;
  /** The queue overflowed; `reset` goes first after `drain`. */
  lost: boolean;
}

export class EventStream {
  /** Ids of another start mean nothing here. */
  readonly #start = randomBytes(4).toString('hex');
  readonly #kept: { readonly n: number; readonly text: string }[] = [];
  readonly #clients = new Set<Client>();
  readonly #heartbeat: NodeJS.Timeout;
  #n = 0;
  #resets = 0;

  constructor() {
    this.#heartbeat = setInterval(() => {
      for (const client of this.#clients) if (!client.blocked) this.#write(client, ': still here\n\n');
    }, HEARTBEAT_MS);
    this.#heartbeat.unref();
  }

  /** Id of the newest event, for a page that has just taken the whole state. */
  get last(): string {
    return `${this.#start}-${this.#n}`;
  }
  get clientCount(): number {
    return this.#clients.size;
  }
  get eventCount(): number {
    return this.#n;
  }
  /** How often a page fell too far behind. */
  get resetCount(): number {
    return this.#resets;
  }

  send(event: ConsoleEvent): void {
    this.#n += 1;
    const text = `event: ${event.type}\nid: ${this.last}\ndata: ${toJsonLine(event.data)}\n\n`;
    this.#kept.push({ n: this.#n, text });
    if (this.#kept.length > KEPT_MAX) this.#kept.shift();
    for (const client of this.#clients) this.#offer(client, text);
  }

  /** @returns false where there are too many pages already; nothing has been written then. */
  join(response: ServerResponse, since: string): boolean {
    if (this.#clients.size >= CLIENTS_MAX) return false;
    const client: Client = { response, queue: [], blocked: false, lost: false };
    response.on('drain', () => this.#drained(client));
    response.on('close', () => this.#clients.delete(client));
    response.on('error', () => this.#clients.delete(client));
    this.#clients.add(client);
    this.#write(client, `retry: ${RETRY_MS}\n\n`);
    const missed = this.#missed(since);
    if (missed === undefined) this.#offer(client, this.#reset());
    else for (const text of missed) this.#offer(client, text);
    return true;
  }

  /** What came after `since`; undefined where that can't be told any more. */
  #missed(since: string): string[] | undefined {
    const [start, digits = ''] = since.split('-');
    if (start !== this.#start || !/^\d{1,15}$/.test(digits)) return undefined;
    const seen = Number(digits);
    const oldest = this.#kept[0]?.n ?? this.#n + 1;
    if (seen > this.#n || seen + 1 < oldest) return undefined;
    return this.#kept.filter((k) => k.n > seen).map((k) => k.text);
  }

  #reset(): string {
    this.#resets += 1;
    return `event: reset\nid: ${this.last}\ndata: {}\n\n`;
  }

  #offer(client: Client, text: string): void {
    if (!client.blocked) this.#write(client, text);
    else if (client.lost) return;
    else if (client.queue.length < QUEUE_MAX) client.queue.push(text);
    else {
      client.queue = [];
      client.lost = true;
    }
  }

  #drained(client: Client): void {
    client.blocked = false;
    if (client.lost) {
      client.lost = false;
      this.#write(client, this.#reset());
      return;
    }
    const waiting = client.queue;
    client.queue = [];
    for (const text of waiting) this.#offer(client, text);
  }

  #write(client: Client, text: string): void {
    if (client.response.writableEnded || client.response.destroyed) return;
    if (!client.response.write(text)) client.blocked = true;
  }

  close(): void {
    clearInterval(this.#heartbeat);
    for (const client of this.#clients) client.response.end();
    this.#clients.clear();
  }
}
