// What the tests and the bench of the gateway share: a small city with its certificates, its clients and its waiting.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import { type Authority, createAuthority, type Issued, type IssueOptions, issue } from './ca.ts';
import { compileConfig, type GatewayConfig, type GatewayFile } from './config.ts';

export const domain = 'spiffe://city.example';
export const ana = `${domain}/operator/ana`;
export const bo = `${domain}/operator/bo`;
export const cy = `${domain}/operator/cy`;

export const cityFile: GatewayFile = {
  listen: ['mqtts://127.0.0.1:0'],
  rules: [
    { who: `${domain}/meter/*`, may: 'publish', topics: ['power/{id}/reading', 'power/{id}/note/#'] },
    { who: `${domain}/meter/*`, may: 'subscribe', topics: ['power/{id}/#'] },
    { who: `${domain}/breaker/*`, may: 'subscribe', topics: ['cmd/power/branch/+', 'cmd/power/gen/+'] },
    { who: `${domain}/breaker/*`, may: 'publish', topics: ['power/{id}/state'], retain: true },
    { who: `${domain}/operator/*`, may: 'publish', topics: ['cmd/#'] },
    { who: `${domain}/operator/*`, may: 'subscribe', topics: ['verdict/#', 'power/#'] },
  ],
  commands: [
    { topic: 'cmd/power/gen/+', actions: ['trip'], emergency: true },
    { topic: 'cmd/power/#', actions: ['open', 'close', 'set'] },
  ],
  approvals: { people: [ana, bo, cy], need: 2, after: '10m' },
  sequence: { most: 1000, mostTotal: 1000, mostPerTarget: 1000 },
};

export class TestCity {
  readonly dir = mkdtempSync(join(tmpdir(), 'gateway-'));
  readonly ca: Authority;
  readonly tls: { ca: string; cert: string; key: string };
  readonly #issued = new Map<string, Issued>();
  readonly #clients: MqttClient[] = [];
  #made = 0;

  private constructor(ca: Authority, server: Issued) {
    this.ca = ca;
    this.tls = { ca: ca.cert, ...server };
  }
  static async make(): Promise<TestCity> {
    const ca = await createAuthority('city.example');
    return new TestCity(ca, await issue(ca, `${domain}/gateway`, { names: [{ type: 'dns', value: 'localhost' }] }));
  }

  config(change: Partial<GatewayFile> = {}): GatewayConfig {
    return compileConfig({ audit: `audit-${this.#made++}.ndjson`, ...cityFile, ...change }, this.dir);
  }
  async certificate(id: string, options?: IssueOptions): Promise<Issued> {
    if (options !== undefined) return issue(this.ca, id, options);
    const had = this.#issued.get(id) ?? (await issue(this.ca, id));
    this.#issued.set(id, had);
    return had;
  }
  async client(port: number, id: string, options: IClientOptions = {}): Promise<MqttClient> {
    const pair = await this.certificate(id);
    const client = connect(`mqtts://localhost:${port}`, {
      ca: this.ca.cert,
      ...pair,
      clientId: id.split('/').at(-1)!,
      protocolVersion: 5,
      reconnectPeriod: 0,
      connectTimeout: 5000,
      ...options,
    });
    this.#clients.push(client);
    await new Promise<void>((resolve, reject) => {
      client.once('connect', () => resolve());
      client.once('close', () => reject(new Error('closed before CONNACK')));
      client.on('error', reject);
    });
    return client;
  }
  async close(): Promise<void> {
    for (const c of this.#clients) c.end(true);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Messages as they come, and waiting for one. */
export class Heard {
  readonly messages: { topic: string; text: string; retain: boolean; qos: number }[] = [];
  constructor(client: MqttClient) {
    client.on('message', (topic, payload, p) => {
      this.messages.push({ topic, text: payload.toString(), retain: p.retain, qos: p.qos });
    });
  }
  on(topic: string): string[] {
    return this.messages.filter((m) => m.topic === topic).map((m) => m.text);
  }
}

/** Waits for a state, never for a time. */
export async function until(what: string, holds: () => boolean, timeoutMs = 8000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

let commands = 0;
export function commandOf(change: Record<string, unknown> = {}): Record<string, unknown> {
  commands++;
  return {
    id: `c-${process.pid}-${commands}`,
    at: Date.now() * 1000,
    requester: 'ana',
    target: 'power/branch/9',
    action: 'open',
    nonce: `nonce-${process.pid}-${commands}`,
    ...change,
  };
}
