import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Aedes } from 'aedes';
import mqtt from 'mqtt';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { EventBatch, Sink } from '#events';
import { MqttSource, matches, mqttFaults } from '#sources/mqtt';
import type { SlowRecord } from '#sources/ndjson';

const mosquitto = ['mosquitto', '/usr/sbin/mosquitto'].find((m) => spawnSync(m, ['-h']).error === undefined);
if (mosquitto === undefined) console.log('skipped: mosquitto is not installed');

const dir = mkdtempSync(join(tmpdir(), 'mqtt-'));
let port = 0;
let broker: ChildProcess | undefined;
let url = '';
const sources: MqttSource[] = [];

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

async function until(holds: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (holds()) return;
    await wait(10);
  }
  throw new Error(`never: ${what}`);
}

async function startBroker(): Promise<void> {
  broker = spawn(mosquitto!, ['-c', join(dir, 'm.conf')], { stdio: 'ignore' });
  for (let i = 0; i < 200; i++) {
    const socket = connectTcp(port, '127.0.0.1');
    const isUp = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (isUp) return;
    await wait(25);
  }
  throw new Error('mosquitto did not start');
}

async function stopBroker(): Promise<void> {
  if (broker === undefined || broker.exitCode !== null) return;
  broker.kill('SIGKILL');
  await once(broker, 'exit');
}

function open(more: Partial<ConstructorParameters<typeof MqttSource>[0]> = {}): MqttSource {
  const source = new MqttSource({ url, readings: 'power/+/+', commands: 'cmd/power/#', reconnectMillis: 50, ...more });
  sources.push(source);
  return source;
}

async function publish(messages: [topic: string, payload: string, retain?: boolean][]): Promise<void> {
  const client = await mqtt.connectAsync(url);
  for (const [topic, payload, retain] of messages)
    await client.publishAsync(topic, payload, { qos: 1, retain: retain ?? false });
  await client.endAsync();
}

function hear(): { records: SlowRecord[]; faults: string[]; sink: Sink } {
  const records: SlowRecord[] = [];
  const faults: string[] = [];
  return {
    records,
    faults,
    sink: {
      emit: (batch: EventBatch) => void records.push(...(batch as unknown as { records: SlowRecord[] }).records),
      fault: (code) => void faults.push(code),
    },
  };
}

const reading = (asset: string, seq: number, via = ''): object => ({
  at: 1000 + seq,
  asset,
  quantity: 'power/bus/1/v',
  value: 1,
  seq,
  via,
});
const command = (id: string): object => ({
  at: 5,
  id,
  requester: 'op',
  target: 'power/branch/9',
  action: 'open',
  nonce: id,
});

describe('MQTT topic filters', () => {
  it('match as section 4.7 says', () => {
    expect(matches('a/#', 'a')).toBe(true);
    expect(matches('a/#', 'a/b/c')).toBe(true);
    expect(matches('a/+', 'a/b')).toBe(true);
    expect(matches('a/+', 'a/b/c')).toBe(false);
    expect(matches('a/+', 'a')).toBe(false);
    expect(matches('#', '$SYS/x')).toBe(false);
    expect(matches('+/x', '$SYS/x')).toBe(false);
    expect(matches('', '')).toBe(false);
  });
});

describe.skipIf(mosquitto === undefined)('a subscription to a real broker', () => {
  beforeAll(async () => {
    port = await freePort();
    url = `mqtt://127.0.0.1:${port}`;
    writeFileSync(
      join(dir, 'm.conf'),
      `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n`,
    );
    await startBroker();
  });
  afterEach(() => {
    for (const source of sources.splice(0)) source.close();
  });
  afterAll(async () => {
    await stopBroker();
    rmSync(dir, { recursive: true });
  });

  it.each([4, 5] as const)('gives readings, arrays and commands in their order (version %i)', async (version) => {
    const source = open({ version });
    const heard = hear();
    await until(() => source.isConnected, 'connected');
    await wait(50);
    await publish([
      ['power/m1/reading', JSON.stringify(reading('m1', 0))],
      ['power/m1/reading', JSON.stringify([reading('m1', 1), reading('m2', 2, 'm1')])],
      ['cmd/power/branch/9', JSON.stringify(command('c1'))],
      ['power/m3/reading', JSON.stringify({ kind: 'reading', ...reading('m3', 3) })],
      ['other/m3/reading', JSON.stringify(reading('m3', 4))],
    ]);
    expect(await source.peekAt()).toBe(1000);
    await until(() => {
      void source.pull(Number.POSITIVE_INFINITY, heard.sink);
      return heard.records.length >= 5;
    }, 'five records');
    expect(
      heard.records.map((r) => (r.kind === 'command' ? r.id : `${r.asset} ${(r as { seq: number }).seq}`)),
    ).toEqual(['m1 0', 'm1 1', 'm2 2', 'c1', 'm3 3']);
    expect(heard.faults).toEqual([]);
    expect(heard.records[0]!.origin.file).toBe(url);
  });

  it('refuses what is not a record, in the wrong place, in another name, or retained', async () => {
    await publish([['cmd/power/retained', JSON.stringify(command('again')), true]]);
    const source = open();
    const heard = hear();
    await until(() => source.isConnected, 'connected');
    await wait(50);
    await publish([
      ['power/m1/reading', '{"kind":"reading"'],
      ['power/m1/reading', JSON.stringify({ kind: 'command', ...command('hidden') })],
      ['power/m1/reading', JSON.stringify(reading('m2', 0))],
      ['power/m1/reading', JSON.stringify(reading('m1', 1))],
      ['cmd/power/retained', '', true],
    ]);
    await until(() => {
      void source.pull(Number.POSITIVE_INFINITY, heard.sink);
      return heard.records.length >= 1 && heard.faults.length >= 4;
    }, 'four faults');
    expect(heard.faults.sort()).toEqual(['MQTT_ASSET', 'MQTT_RETAINED_COMMAND', 'MQTT_WRONG_PLACE', 'NDJSON_SYNTAX']);
    expect(heard.records.map((r) => (r as { seq: number }).seq)).toEqual([1]);
    for (const code of heard.faults) expect(mqttFaults[code]).toBeDefined();
  });

  it('sheds the oldest readings openly, and never a command for them', async () => {
    const source = open({ readingsMax: 10 });
    const heard = hear();
    await until(() => source.isConnected, 'connected');
    await wait(50);
    await publish([
      ['cmd/power/x', JSON.stringify(command('c1'))],
      ['power/m1/reading', JSON.stringify(Array.from({ length: 25 }, (_, i) => reading('m1', i)))],
    ]);
    await until(() => source.shed === 15, '15 shed');
    while (heard.records.length < 11) await source.pull(Number.POSITIVE_INFINITY, heard.sink);
    expect(heard.records.map((r) => (r.kind === 'command' ? r.id : (r as { seq: number }).seq))).toEqual([
      'c1',
      ...Array.from({ length: 10 }, (_, i) => 15 + i),
    ]);
    expect(heard.faults.filter((f) => f === 'MQTT_SHED')).toHaveLength(15);
  });

  it('comes back after the broker was away, and says that it was', async () => {
    const source = open();
    const heard = hear();
    await until(() => source.isConnected, 'connected');
    await stopBroker();
    await until(() => !source.isConnected, 'disconnected');
    await wait(200);
    await startBroker();
    await until(() => source.isConnected, 'connected again');
    await wait(50);
    await publish([['power/m1/reading', JSON.stringify(reading('m1', 7))]]);
    expect(await source.peekAt()).toBe(1007);
    await source.pull(Number.POSITIVE_INFINITY, heard.sink);
    expect(heard.faults[0]).toBe('MQTT_DISCONNECTED');
    expect(heard.faults).toContain('MQTT_UNREACHABLE');
  });

  it('falls back to MQTT 3.1.1 where the broker knows no other', async () => {
    const old = await Aedes.createBroker();
    const server = createServer(old.handle).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const source = open({ url: `mqtt://127.0.0.1:${(server.address() as { port: number }).port}` });
    const heard = hear();
    await until(() => source.isConnected, 'connected');
    await source.pull(Number.POSITIVE_INFINITY, heard.sink);
    expect(heard.faults).toEqual([]);
    source.close();
    await new Promise<void>((resolve) => old.close(resolve));
    server.close();
  });

  it('ends when it is closed, and wakes who waits', async () => {
    const source = open();
    const waiting = source.peekAt();
    source.close();
    expect(await waiting).toBe(Number.POSITIVE_INFINITY);
    expect(await source.pull(Number.POSITIVE_INFINITY, hear().sink)).toBe(false);
  });
});
