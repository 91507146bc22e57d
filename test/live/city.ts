// A family with its gateway, and a city that plays through it: readings and commands of the range over MQTT with
// certificates, at the pace a test asks for, with commands of the test's own between them. A device listens at the broker.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectAsync, type MqttClient } from 'mqtt';
import { parse, stringify } from 'yaml';
import type { Verdict } from '#findings';
import { isoTime } from '#findings';
import { type Authority, createAuthority, issue } from '#gateway/ca';
import { parseIsoMicros } from '#lib/time';
import { type Family, superviseFamily } from '../../src/cli/supervise.ts';
import { sleep, until, type World } from './world.ts';

const domain = 'city.example';
const speed = 500;
const stepMicros = 10e6;

interface Line {
  readonly at: number;
  readonly topic: string;
  readonly json: string;
  readonly command: string;
}

/** Loads that agreed to be shed: small enough to be harmless at any moment. */
const honestTargets = ['power/load/11', 'power/load/12', 'power/load/70'];

export class LiveCity {
  /** Event time reached. */
  at = 0;
  /** Ids of commands in the order a device received them, and how many were asked for by kind. */
  readonly delivered: string[] = [];
  readonly verdicts = new Map<string, Verdict[]>();
  readonly said: string[] = [];
  /** Ids of commands that would do harm, those of the range and copies of them. */
  readonly harmful = new Set<string>();
  readonly family: Family;
  readonly #lines: Line[];
  readonly #clients: MqttClient[];
  readonly #byTopic: (topic: string) => MqttClient;
  readonly #harmfulJson: Record<string, unknown>[];
  #next = 0;
  #made = 0;
  /** The hub that has said where it stands. */
  #hubReady: number | undefined;

  private constructor(family: Family, lines: Line[], harmful: ReadonlySet<string>) {
    this.family = family;
    this.#lines = lines;
    this.#clients = [];
    this.#byTopic = (topic) => this.#clients[topic.startsWith('cmd/') ? 1 : 0]!;
    this.#harmfulJson = lines.filter((l) => harmful.has(l.command)).map((l) => JSON.parse(l.json));
    for (const id of harmful) this.harmful.add(id);
  }

  static async start(
    world: World,
    name: string,
    harmful: ReadonlySet<string>,
    where: { readonly audit?: string } = {},
  ): Promise<LiveCity> {
    const dir = join(world.dir, name);
    mkdirSync(dir);
    const authority = await createAuthority(domain);
    const file = await writeCity(world, dir, name, authority, where.audit ?? join(dir, 'audit.ndjson'));
    const said: string[] = [];
    const family = superviseFamily(
      world.settings(join(dir, 'store'), {
        city: file,
        inputs: ['network.pcap', 'signalling.pcap'].map((n) => join(world.range, n)),
        speed,
        gateway: true,
        eventClock: true,
      }),
      (text) => void said.push(text),
    );
    const city = new LiveCity(family, linesOf(world.range), harmful);
    try {
      family.onMessage((from, message) => {
        if (from === 'gateway' && message.kind === 'verdicts')
          for (const v of message.verdicts) city.verdicts.set(v.command, [...(city.verdicts.get(v.command) ?? []), v]);
        if (message.kind === 'health') city.said.push(message.text);
        if (from === 'hub' && message.kind === 'checkpointed') city.#hubReady = family.pids().hub;
      });
      const door = (await Promise.race([Promise.all([family.door, family.page]), family.failed]))[0]!;
      const brokerPort = Number(/127\.0\.0\.1:(\d+)/.exec(door.broker)![1]);
      for (const [kind, id] of [
        ['collector', 'meter-collector'],
        ['operator', 'operator-anna'],
      ] as const) {
        const pair = await issue(authority, `spiffe://${domain}/${kind}/${id}`);
        city.#clients.push(
          await listening(
            await connectAsync({
              protocol: 'mqtts',
              host: 'localhost',
              port: door.port,
              clientId: id,
              protocolVersion: 5,
              ca: authority.cert,
              ...pair,
              reconnectPeriod: 100,
            }),
          ),
        );
      }
      const device = await listening(
        await connectAsync({ host: '127.0.0.1', port: brokerPort, clientId: 'device', reconnectPeriod: 100 }),
      );
      city.#clients.push(device);
      device.on('message', (_, payload) => void city.delivered.push(JSON.parse(payload.toString()).id as string));
      await device.subscribeAsync('cmd/#', { qos: 1 });
    } catch (error) {
      await city.close();
      throw error;
    }
    return city;
  }

  /** Plays up to event time `to` at a pace; Infinity is as fast as the sensor follows. */
  async play(to: number, pace = speed): Promise<void> {
    const started = performance.now();
    const from = this.at;
    const inFlight = new Set<Promise<unknown>>();
    for (; this.#next < this.#lines.length && this.#lines[this.#next]!.at <= to; this.#next++) {
      const line = this.#lines[this.#next]!;
      if (line.at - this.at >= stepMicros) await this.#advance(line.at);
      const due = started + (line.at - from) / 1000 / pace;
      while (due - performance.now() > 2) await sleep(Math.min(20, due - performance.now()));
      // Readings of one asset at one moment go as one message.
      const group = [line.json];
      while (line.command === '' && group.length < 64) {
        const next = this.#lines[this.#next + 1];
        if (next === undefined || next.at !== line.at || next.topic !== line.topic) break;
        group.push(next.json);
        this.#next++;
      }
      const sent: Promise<unknown> = this.#publish(line.topic, group.length === 1 ? line.json : `[${group.join(',')}]`);
      const done = sent.finally(() => inFlight.delete(done));
      inFlight.add(done);
      if (line.command !== '') await done;
      else if (inFlight.size >= 48) await Promise.race(inFlight);
    }
    await Promise.all(inFlight);
    await this.#advance(to);
  }

  async #advance(at: number): Promise<void> {
    if (at <= this.at) return;
    this.at = at;
    await this.setClock(at);
    await this.family.send('sensor', { kind: 'advance', at }).catch(() => {});
  }

  /** Sets the gateway's clock alone. */
  setClock(at: number): Promise<void> {
    return this.family.send('gateway', { kind: 'advance', at }).catch(() => {});
  }

  async #publish(topic: string, payload: string): Promise<void> {
    await this.#byTopic(topic)
      .publishAsync(topic, payload, { qos: 1 })
      .catch(() => {});
  }

  /** Asks for something harmless, dated `at`. @returns its verdict */
  honest(at = this.at): Promise<Verdict> {
    const target = honestTargets[this.#made % honestTargets.length]!;
    return this.#ask({ target, action: 'shed', value: 100_000, reason: 'agreed demand response' }, at);
  }

  /** Asks again for what the attacker wants, as if it were new. */
  harm(at = this.at): Promise<Verdict> {
    const { target, action } = this.#harmfulJson[this.#made % this.#harmfulJson.length]!;
    return this.#ask({ target, action }, at, true);
  }

  async #ask(what: Record<string, unknown>, at: number, isHarmful = false): Promise<Verdict> {
    const id = `${isHarmful ? 'harm' : 'own'}-${++this.#made}`;
    if (isHarmful) this.harmful.add(id);
    const command = { kind: 'command', id, at: isoTime(at), requester: 'operator-anna', nonce: `nonce-${id}`, ...what };
    await this.#publish(`cmd/${String(what.target)}`, JSON.stringify(command));
    await until(`${id} is answered`, () => this.verdicts.has(id), 15_000);
    return this.verdicts.get(id)![0]!;
  }

  /** Plays on until a harmless command passes, and was received. @returns event time that this took, microseconds */
  async recovered(withinMicros: number): Promise<number> {
    await until('hub and sensor run', () => {
      const pids = this.family.pids();
      return pids.hub !== undefined && pids.hub === this.#hubReady && pids.sensor !== undefined;
    });
    const from = this.at;
    for (;;) {
      const verdict = await this.honest();
      if (verdict.decision === 'pass') {
        await until('a command that passed is received', () => this.delivered.includes(verdict.command));
        return this.at - from;
      }
      if (this.at - from > withinMicros) throw new Error(`not recovered: ${verdict.reasons.join(' ')}`);
      // Slowly: what was killed needs a second or two of the wall clock, and the range's day is short.
      await this.play(this.at + 10e6, 50);
    }
  }

  /** Kills a process as soon as it is there. */
  async kill(name: 'hub' | 'sensor' | 'gateway'): Promise<void> {
    await until(`the ${name} runs`, () => this.family.pids()[name] !== undefined);
    process.kill(this.family.pids()[name]!, 'SIGKILL');
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((c) => c.endAsync(true).catch(() => {})));
    await this.family.close();
  }
}

/** A client that hears its errors, so that a lost connection is not the test's end. */
async function listening(client: MqttClient): Promise<MqttClient> {
  client.on('error', () => {});
  return client;
}

function linesOf(range: string): Line[] {
  const read = (name: string, topic: (r: Record<string, string>) => string): Line[] =>
    readFileSync(join(range, name), 'utf8')
      .split('\n')
      .filter((l) => l !== '')
      .map((json) => {
        const r = JSON.parse(json) as Record<string, string>;
        return { at: parseIsoMicros(r.at!), topic: topic(r), json, command: name === 'commands.ndjson' ? r.id! : '' };
      });
  // All of the range's commands leave by one person here, which the certificate must agree with.
  const commands = read('commands.ndjson', (r) => `cmd/${r.target}`).map((l) => ({
    ...l,
    json: JSON.stringify({ ...JSON.parse(l.json), requester: 'operator-anna' }),
  }));
  return [...read('readings.ndjson', (r) => `power/${r.asset}/reading`), ...commands].sort((a, b) => a.at - b.at);
}

async function writeCity(
  world: World,
  dir: string,
  name: string,
  authority: Authority,
  audit: string,
): Promise<string> {
  const server = await issue(authority, `spiffe://${domain}/gateway/gateway-01`, {
    names: [
      { type: 'dns', value: 'localhost' },
      { type: 'ip', value: '127.0.0.1' },
    ],
  });
  writeFileSync(join(dir, 'ca.pem'), authority.cert);
  writeFileSync(join(dir, 'gateway.pem'), server.cert);
  writeFileSync(join(dir, 'gateway.key'), server.key, { mode: 0o600 });
  const city = parse(readFileSync(join(world.range, 'city.yaml'), 'utf8')) as Record<string, unknown>;
  const many = 10_000;
  city.gateway = {
    listen: ['mqtts://127.0.0.1:0'],
    ca: join(dir, 'ca.pem'),
    cert: join(dir, 'gateway.pem'),
    key: join(dir, 'gateway.key'),
    audit,
    rules: [
      { who: `spiffe://${domain}/collector/*`, may: 'publish', topics: ['power/+/reading'] },
      { who: `spiffe://${domain}/operator/*`, may: 'publish', topics: ['cmd/power/#'] },
    ],
    commands: [{ topic: 'cmd/power/#', actions: ['open', 'close', 'set', 'shed'] }],
    approvals: {
      people: ['anna', 'ben'].map((person) => `spiffe://${domain}/person/${person}`),
      need: 2,
      unanswered: 'refuse',
      after: '30m',
    },
    // How many is not what is tried here.
    sequence: { most: many, mostTotal: many, mostPerTarget: many, within: '10m' },
  };
  // Beside the range's own city file, since the model's path starts there.
  const path = join(world.range, `city-${name}.yaml`);
  writeFileSync(path, stringify(city));
  return path;
}
