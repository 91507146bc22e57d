// Every frame sequence of the hostile corpus, sent as it stands over TLS by a certified dev-1, with a listener on all
// topics of the real broker behind: what must be denied must not arrive there.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { connectAsync } from 'mqtt';
import { describe, expect, it } from 'vitest';
import { findMosquitto } from './broker.ts';
import { decode, type Ending, type Packet, type SubscribeAck } from './mqtt/index.ts';
import { startGateway } from './process.ts';
import { domain, Heard, TestCity, until } from './testing.ts';

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'platform/hostile/mqtt/made-vectors.jsonl');
const there = existsSync(corpus) && findMosquitto() !== undefined;
if (!there) console.log(`skipped: no ${corpus}, or no mosquitto`);

interface Vector {
  readonly name: string;
  readonly frames: readonly string[];
  readonly expect: string;
}

/** What the client got back, as packets, and whether it was cut off. */
interface Answered {
  readonly packets: Packet[];
  readonly closed: boolean;
}

function parse(bytes: Buffer, version: 4 | 5): Packet[] {
  const out: Packet[] = [];
  for (let at = 0; at + 2 <= bytes.length; ) {
    const length = bytes[at + 1]! < 128 ? bytes[at + 1]! : (bytes[at + 1]! & 127) + bytes[at + 2]! * 128;
    const start = at + (bytes[at + 1]! < 128 ? 2 : 3);
    const p = decode(bytes[at]!, bytes, start, start + length, version, 'server');
    if (p.type !== 'malformed') out.push(p);
    at = start + length;
  }
  return out;
}

/** Whether an answer is one that the vector's `expect` allows. */
function agrees(v: Vector, a: Answered, leaked: readonly string[]): boolean {
  const connack = a.packets.find((p) => p.type === 'connack');
  const ended = a.packets.find((p): p is Ending => p.type === 'disconnect');
  const refused = connack !== undefined && connack.reason !== 0;
  const suback = a.packets.find((p): p is SubscribeAck => p.type === 'suback');
  const denied = suback?.reasons.every((r) => r >= 0x80) ?? false;
  const e = v.expect;
  if (leaked.length > 0) return false;
  if (e.startsWith('accept')) return connack?.reason === 0 && !a.closed;
  if (e.startsWith('refuse or')) return connack !== undefined;
  if (e.startsWith('CONNACK') || e.startsWith('refuse')) return refused || a.closed;
  if (e.startsWith('SUBACK')) return denied || a.closed;
  if (e.startsWith('close')) return a.closed || denied || refused;
  if (e.startsWith('DISCONNECT')) return ended !== undefined && e.includes(`0x${ended.reason.toString(16)}`);
  // A denied QoS 0 message has no answer in v5; 3.1.1 is closed (session.ts, #deny).
  if (e.startsWith('drop') || e.startsWith('deny')) return a.closed || v.frames[0]!.startsWith('101200044d51545405');
  // States and limits: nothing leaked, and the gateway lives.
  return true;
}

describe.skipIf(!there)('hostile frame sequences', () => {
  it('are each answered as their vector expects, and nothing denied reaches the broker', async () => {
    const city = await TestCity.make();
    const dev = `${domain}/device/dev-1`;
    const config = city.config({
      rules: [
        { who: `${domain}/device/*`, may: 'publish', topics: ['city/d1/{id}/#'] },
        { who: `${domain}/device/*`, may: 'subscribe', topics: ['city/d1/{id}/#', 'test'] },
      ],
    });
    const gateway = await startGateway({
      // The corpus has its commands below the device's own topics.
      config: { ...config, commands: [{ topic: 'city/+/+/cmd/#', actions: [], emergency: false }] },
      tls: city.tls,
      judge: async () => ({ decision: 'pass', reasons: [], leansOn: [], harm: [] }),
    });
    await until('the broker is up', () => gateway.health().brokerUp);
    const inside = await connectAsync(`mqtt://127.0.0.1:${gateway.brokerPort}`);
    const heard = new Heard(inside);
    await inside.subscribeAsync('#');
    const pair = await city.certificate(dev);
    const send = (frames: readonly string[]): Promise<Answered> =>
      new Promise((resolve) => {
        const got: Buffer[] = [];
        let quiet: NodeJS.Timeout;
        let closed = false;
        const done = (): void => {
          clearTimeout(quiet);
          socket.destroy();
          const bytes = Buffer.concat(got);
          const five =
            frames.join('').startsWith('10') && Buffer.from(frames.join(''), 'hex').indexOf('MQTT\u0005') > 0;
          resolve({ packets: parse(bytes, five ? 5 : 4), closed });
        };
        const socket = connect({
          host: '127.0.0.1',
          port: gateway.port,
          ca: city.ca.cert,
          ...pair,
          servername: 'localhost',
        });
        socket.on('error', () => {});
        socket.on('close', () => {
          closed = true;
          done();
        });
        socket.on('data', (b: Buffer) => {
          got.push(b);
          quiet.refresh();
        });
        socket.on('secureConnect', () => {
          for (const f of frames) socket.write(Buffer.from(f, 'hex'));
        });
        quiet = setTimeout(done, 120);
      });
    const vectors = readFileSync(corpus, 'utf8')
      .trimEnd()
      .split('\n')
      .map((l) => JSON.parse(l) as Vector);
    const differ: string[] = [];
    for (const v of vectors) {
      heard.messages.length = 0;
      const a = await send(v.frames);
      const leaked = heard.messages
        .map((m) => m.topic)
        .filter((t) => !/^city\/d1\/dev-1\/(t|lwt)/.test(t) || t.includes('cmd'));
      if (!agrees(v, a, leaked)) differ.push(`${v.name}: ${v.expect} | ${JSON.stringify(a)} leaked ${leaked}`);
      if (v.name === 'response-topic-forbidden' || v.name === 'retain-command')
        expect(heard.messages, v.name).toEqual([]);
      if (v.name === 'topic-alias-switch') expect(heard.messages.map((m) => m.topic)).toEqual(['city/d1/dev-1/t']);
      if (v.name === 'qos2-same-mid-flood') expect(heard.messages.length).toBeLessThanOrEqual(1);
    }
    console.log(`hostile vectors: ${vectors.length - differ.length} of ${vectors.length} agree`);
    expect(differ).toEqual([]);
    expect(gateway.health().brokerUp).toBe(true);
    await inside.endAsync();
    await gateway.close();
    await city.close();
  });
});
