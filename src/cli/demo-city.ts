// The demo's devices and people: MQTT clients with certificates of an embedded authority, publishing what the range wrote.
import { createReadStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectAsync, type MqttClient } from 'mqtt';
import { parse, stringify } from 'yaml';
import { createAuthority, issue } from '#gateway/ca';
import { parseIsoMicros } from '#lib/time';

const domain = 'city.example';
/** Wall time that sensor and hub get to catch up before a command of the fast part. */
const SETTLE_MILLIS = 250;

interface Line {
  readonly at: number;
  readonly topic: string;
  readonly payload: string;
  /** Commands leave by their requester's own connection and are never lost. */
  readonly requester: string;
}

export interface Play {
  readonly speed: number;
  readonly fastUntil: number;
  /** Event time has reached `at`: the gateway's clock and the sensor follow. */
  advance(at: number): Promise<void>;
  onAttack(): void;
}

export class DemoCity {
  readonly #dir: string;
  readonly #keys: string;
  readonly #attackAt: number;
  readonly #clients = new Map<string, MqttClient>();
  readonly #requesters: readonly string[];
  #authority: Awaited<ReturnType<typeof createAuthority>> | undefined;

  /**
   * @param dir folder of a range run
   * @param keys folder for the authority's certificate and the gateway's key; made here
   */
  constructor(dir: string, attackAt: number, keys = join(dir, 'keys')) {
    this.#dir = dir;
    this.#keys = keys;
    this.#attackAt = attackAt;
    const commands = readFileSync(join(dir, 'commands.ndjson'), 'utf8')
      .split('\n')
      .filter((l) => l !== '');
    this.#requesters = [...new Set(commands.map((l) => (JSON.parse(l) as { requester: string }).requester))].sort();
  }

  /** city.yaml with the gateway's section and its keys beside it. @returns its path */
  async writeCity(audit: string): Promise<string> {
    const authority = await createAuthority(domain);
    this.#authority = authority;
    const keys = this.#keys;
    mkdirSync(keys, { mode: 0o700 });
    const server = await issue(authority, `spiffe://${domain}/gateway/gateway-01`, {
      names: [
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
      ],
    });
    writeFileSync(join(keys, 'ca.pem'), authority.cert);
    writeFileSync(join(keys, 'gateway.pem'), server.cert);
    writeFileSync(join(keys, 'gateway.key'), server.key, { mode: 0o600 });
    const city = parse(readFileSync(join(this.#dir, 'city.yaml'), 'utf8')) as Record<string, unknown>;
    city.gateway = {
      listen: ['mqtts://127.0.0.1:0'],
      ca: join(keys, 'ca.pem'),
      cert: join(keys, 'gateway.pem'),
      key: join(keys, 'gateway.key'),
      audit,
      rules: [
        { who: `spiffe://${domain}/collector/*`, may: 'publish', topics: ['power/+/reading'] },
        { who: `spiffe://${domain}/operator/*`, may: 'publish', topics: ['cmd/power/#'] },
        { who: `spiffe://${domain}/operator/*`, may: 'subscribe', topics: ['verdict/+'] },
      ],
      commands: [{ topic: 'cmd/power/#', actions: ['open', 'close', 'set', 'shed'] }],
      approvals: {
        people: ['anna', 'ben', 'shift-lead'].map((name) => `spiffe://${domain}/person/${name}`),
        need: 2,
        unanswered: 'refuse',
        after: '30m',
      },
      // The demo plays a day in seconds: the window is in event time, and its numbers are those of a calm control room.
      sequence: { most: 12, mostTotal: 24, mostPerTarget: 6, within: '10m' },
    };
    // Beside the range's own city file, since the model's path starts there.
    const path = join(this.#dir, `city-${basename(dirname(keys))}.yaml`);
    writeFileSync(path, stringify(city));
    return path;
  }

  async connect(port: number): Promise<void> {
    await this.#client(port, 'collector', 'scada-collector');
    await this.#client(port, 'collector', 'meter-collector');
    for (const name of this.#requesters) await this.#client(port, 'operator', name);
  }

  async #client(port: number, kind: string, name: string): Promise<void> {
    const { cert, key } = await issue(this.#authority!, `spiffe://${domain}/${kind}/${name}`);
    const client = await connectAsync({
      protocol: 'mqtts',
      host: 'localhost',
      port,
      clientId: name,
      protocolVersion: 5,
      ca: this.#authority!.cert,
      cert,
      key,
      clean: true,
    });
    client.on('error', () => {});
    this.#clients.set(name, client);
  }

  async disconnect(): Promise<void> {
    await Promise.all([...this.#clients.values()].map((c) => c.endAsync(true)));
  }

  /** Publishes everything in event-time order at its pace. */
  async play(p: Play): Promise<void> {
    const readings = lines(join(this.#dir, 'readings.ndjson'), asReading);
    const commands = lines(join(this.#dir, 'commands.ndjson'), asCommand);
    let nextReading = (await readings.next()).value as Line | undefined;
    let nextCommand = (await commands.next()).value as Line | undefined;
    let advancedAt = 0;
    let started = 0;
    while (nextReading !== undefined || nextCommand !== undefined) {
      const isCommand = nextReading === undefined || (nextCommand !== undefined && nextCommand.at < nextReading.at);
      const line = (isCommand ? nextCommand : nextReading) as Line;
      if (line.at >= this.#attackAt && started === 0) {
        started = performance.now();
        p.onAttack();
      }
      if (line.at - advancedAt > 10e6) {
        advancedAt = line.at;
        await p.advance(line.at);
      }
      if (started > 0) {
        for (
          let wait = started + (line.at - this.#attackAt) / 1000 / p.speed - performance.now();
          wait > 4;
          wait = started + (line.at - this.#attackAt) / 1000 / p.speed - performance.now()
        ) {
          await sleep(Math.min(wait, 50));
          const at = this.#attackAt + (performance.now() - started) * 1000 * p.speed;
          if (at - advancedAt > 10e6) {
            advancedAt = at;
            await p.advance(at);
          }
        }
      }
      if (isCommand && started === 0) {
        // Hours pass in a second here: what was measured and seen before the command must have been read when it is judged.
        await p.advance(line.at);
        await Promise.all(this.#inFlight);
        await sleep(SETTLE_MILLIS);
      }
      if (isCommand) {
        const client = this.#clients.get(line.requester)!;
        await client.publishAsync(line.topic, line.payload, { qos: 1 }).catch(() => {});
        nextCommand = (await commands.next()).value as Line | undefined;
      } else {
        // Readings of one asset at one moment go as one message.
        const group: string[] = [line.payload];
        nextReading = (await readings.next()).value as Line | undefined;
        while (
          nextReading !== undefined &&
          nextReading.at === line.at &&
          nextReading.topic === line.topic &&
          group.length < 64
        ) {
          group.push(nextReading.payload);
          nextReading = (await readings.next()).value as Line | undefined;
        }
        await this.#publish(line.topic, group.length === 1 ? group[0]! : `[${group.join(',')}]`);
      }
    }
    await Promise.all(this.#inFlight);
  }

  readonly #inFlight = new Set<Promise<unknown>>();

  /** At most 48 messages wait for their acknowledgement: the gateway's queues are bounded, and telemetry sheds there. */
  async #publish(topic: string, payload: string): Promise<void> {
    const client = this.#clients.get(topic.startsWith('power/meter') ? 'meter-collector' : 'scada-collector')!;
    const sent: Promise<unknown> = client
      .publishAsync(topic, payload, { qos: 1 })
      .catch(() => {})
      .finally(() => this.#inFlight.delete(sent));
    this.#inFlight.add(sent);
    if (this.#inFlight.size >= 48) await Promise.race(this.#inFlight);
  }
}

async function* lines(path: string, make: (text: string) => Line): AsyncGenerator<Line, undefined> {
  for await (const text of createInterface({ input: createReadStream(path, { highWaterMark: 1 << 18 }) }))
    if (text !== '') yield make(text);
  return undefined;
}

function asReading(text: string): Line {
  const r = JSON.parse(text) as { at: string; asset: string };
  return { at: parseIsoMicros(r.at), topic: `power/${r.asset}/reading`, payload: text, requester: '' };
}

function asCommand(text: string): Line {
  const c = JSON.parse(text) as { at: string; target: string; requester: string };
  return { at: parseIsoMicros(c.at), topic: `cmd/${c.target}`, payload: text, requester: c.requester };
}
