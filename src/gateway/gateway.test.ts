import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import type { MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Reading } from '#events';
import { type AuditSink, verify } from './audit/index.ts';
import { type Broker, findMosquitto, startBroker } from './broker.ts';
import { createAuthority, issue } from './ca.ts';
import type { GatewayFile } from './config.ts';
import type { TwinVerdict } from './interlock.ts';
import { type Gateway, type GatewayOptions, startGateway } from './process.ts';
import { ana, bo, commandOf, cy, domain, Heard, TestCity, until } from './testing.ts';

const mosquitto = findMosquitto();
if (mosquitto === undefined) console.log('skipped: there is no mosquitto on this machine');

const pass: TwinVerdict = { decision: 'pass', reasons: ['all lines below their limits'], leansOn: [], harm: [] };
const hold: TwinVerdict = {
  decision: 'hold',
  reasons: ['branch 7 would carry 130 %'],
  leansOn: ['meter-1'],
  harm: ['overload'],
};
let city: TestCity;
let broker: Broker;
let gateway: Gateway;
let answer: () => Promise<TwinVerdict> = async () => pass;
const readings: Reading[] = [];
const open: Gateway[] = [];

async function start(options: Partial<GatewayOptions> = {}, file: Partial<GatewayFile> = {}): Promise<Gateway> {
  const started = await startGateway({
    config: city.config({ broker: `mqtt://127.0.0.1:${broker.port}`, ...file }),
    tls: city.tls,
    judge: () => answer(),
    ...options,
  });
  open.push(started);
  await until('the broker is up', () => started.health().brokerUp);
  return started;
}

describe.skipIf(mosquitto === undefined)('the gateway before a real Mosquitto', () => {
  beforeAll(async () => {
    city = await TestCity.make();
    broker = await startBroker();
    gateway = await start({ onTelemetry: (r) => readings.push(...r) });
  });
  afterAll(async () => {
    await city.close();
    for (const g of open) await g.close();
    await broker.close();
  });

  const operator = (g = gateway): Promise<MqttClient> => city.client(g.port, ana);
  async function ask(
    client: MqttClient,
    command: Record<string, unknown>,
  ): Promise<{ decision: string; reasons: string[] }> {
    const heard = new Heard(client);
    const topic = `verdict/${String(command.id)}`;
    await client.subscribeAsync(topic);
    await client.publishAsync(`cmd/${String(command.target)}`, JSON.stringify(command), { qos: 1 }).catch(() => {});
    await until(`there is a verdict on ${topic}`, () => heard.on(topic).length > 0);
    return JSON.parse(heard.on(topic).at(-1)!) as { decision: string; reasons: string[] };
  }
  async function breaker(g = gateway, options = {}): Promise<{ client: MqttClient; heard: Heard }> {
    const client = await city.client(g.port, `${domain}/breaker/b9`, options);
    const heard = new Heard(client);
    await client.subscribeAsync('cmd/power/branch/+', { qos: 1 });
    return { client, heard };
  }

  describe('identity', () => {
    it('lets nobody in without a certificate of the city that is valid now', async () => {
      const other = await createAuthority('city.example');
      const stranger = await issue(other, ana);
      const expired = await city.certificate(ana, { notAfter: new Date(Date.now() - 1000) });
      const early = await city.certificate(ana, { notBefore: new Date(Date.now() + 120_000) });
      const twice = await city.certificate(ana, { uris: [ana, bo] });
      for (const pair of [stranger, expired, early, twice, { key: undefined, cert: undefined }])
        await expect(city.client(gateway.port, ana, pair as never)).rejects.toThrow();
    });
    it.each([4, 5] as const)(
      'refuses a client id, a user name and a will that are not of the identity (MQTT %i)',
      async (protocolVersion) => {
        const base = { protocolVersion };
        await expect(city.client(gateway.port, ana, { ...base, clientId: 'bo' })).rejects.toThrow();
        await expect(city.client(gateway.port, ana, { ...base, username: 'root' })).rejects.toThrow();
        for (const topic of ['cmd/power/branch/9', '$SYS/broker/x', 'power/dev-2/reading', 'verdict/x'])
          await expect(
            city.client(gateway.port, ana, {
              ...base,
              will: { topic, payload: Buffer.from('x'), qos: 0, retain: false },
            }),
          ).rejects.toThrow();
        const good = await city.client(gateway.port, ana, { ...base, username: 'ana' });
        await good.endAsync();
      },
    );
    it('refuses an empty authority at the start', async () => {
      await expect(start({ tls: { ...city.tls, ca: '' } })).rejects.toThrow();
    });
    it('drops a revoked identity at once and lets it in no more', async () => {
      const g = await start();
      const meter = await city.client(g.port, `${domain}/meter/dev-7`);
      const from = performance.now();
      g.revoke(`${domain}/meter/dev-7`);
      await until('the session is closed', () => !meter.connected);
      expect(performance.now() - from).toBeLessThan(1000);
      await expect(city.client(g.port, `${domain}/meter/dev-7`)).rejects.toThrow();
    });
  });

  it('bounds what comes before CONNECT: time, connections of one source, octets', async () => {
    const g = await start({}, { limits: { connectMs: 300, connectionsPerSource: 3 } });
    const pair = await city.certificate(ana);
    const dial = () => connect({ host: '127.0.0.1', port: g.port, ca: city.ca.cert, ...pair, servername: 'localhost' });
    const ends = (s: ReturnType<typeof dial>): Promise<boolean> =>
      new Promise((resolve) => {
        s.on('error', () => {});
        s.once('close', () => resolve(true));
        s.resume();
      });
    const silent = Array.from({ length: 3 }, () => ends(dial()));
    expect(await ends(dial())).toBe(true);
    expect(g.health().refused).toBe(1);
    expect(await Promise.all(silent)).toEqual([true, true, true]);
    const huge = dial();
    huge.write(Buffer.from('10ffff7f', 'hex'));
    expect(await ends(huge)).toBe(true);
    expect(g.health().malformed).toBe(1);
  });

  describe('rules', () => {
    it.each([4, 5] as const)('carry readings to subscribers and to the callback (MQTT %i)', async (protocolVersion) => {
      const meter = await city.client(gateway.port, `${domain}/meter/dev-1`, { protocolVersion });
      const reader = await city.client(gateway.port, bo, { protocolVersion });
      const heard = new Heard(reader);
      await reader.subscribeAsync('power/+/reading', { qos: 2 });
      readings.length = 0;
      const reading = { kind: 'reading', at: 1, asset: 'dev-1', quantity: 'power/load/3/p', value: 5 };
      for (const qos of [0, 1, 2] as const)
        await meter.publishAsync('power/dev-1/reading', JSON.stringify(reading), { qos });
      await until('three have come', () => heard.messages.length === 3);
      expect(heard.messages.map((m) => m.qos).sort()).toEqual([0, 1, 2]);
      expect(readings).toHaveLength(3);
      expect(readings[0]).toMatchObject({ asset: 'dev-1', value: 5 });
      await meter.endAsync();
      await reader.endAsync();
    });
    it('deny in v5 by reason code and in 3.1.1 by closing', async () => {
      const five = await city.client(gateway.port, `${domain}/meter/dev-1`);
      for (const [topic, text] of [
        ['power/dev-2/reading', '{}'],
        ['cmd/power/branch/9', '{}'],
        ['verdict/x', '{}'],
        ['power/dev-1/reading', 'no json'],
        ['power/dev-1/reading', '{"at":1,"asset":"dev-2","quantity":"q","value":1}'],
      ] as const)
        for (const qos of [1, 2] as const)
          await expect(five.publishAsync(topic, text, { qos }), topic).rejects.toThrow();
      await expect(five.publishAsync('power/dev-1/note/a', 'x', { qos: 1, retain: true })).rejects.toThrow();
      for (const filter of ['#', 'power/#', 'power/+/reading', '$share/g/power/#', '$SYS/#', 'cmd/#'])
        await five.subscribeAsync(filter).then(
          (granted) => expect(granted[0]!.qos, filter).toBeGreaterThanOrEqual(0x80),
          (error: Error) => expect(error).toBeInstanceOf(Error),
        );
      expect(five.connected).toBe(true);
      await five.endAsync();
      const four = await city.client(gateway.port, `${domain}/meter/dev-1`, { protocolVersion: 4 });
      four.publish('power/dev-2/reading', '{}');
      await until('it is closed', () => !four.connected);
    });
    it('keep what may be retained, and send a will that may be sent', async () => {
      const b = await city.client(gateway.port, `${domain}/breaker/b7`, {
        will: { topic: 'power/b7/state', payload: Buffer.from('gone'), qos: 1, retain: false },
      });
      await b.publishAsync('power/b7/state', 'closed', { qos: 1, retain: true });
      const reader = await city.client(gateway.port, bo);
      const heard = new Heard(reader);
      await reader.subscribeAsync('power/b7/state');
      await until('the retained one has come', () => heard.on('power/b7/state').includes('closed'));
      b.stream.destroy();
      await until('the will has come', () => heard.on('power/b7/state').includes('gone'));
      await reader.endAsync();
    });
    it('are not passed by who speaks to the broker behind the gateway', async () => {
      const { heard, client } = await breaker();
      const { connectAsync } = await import('mqtt');
      const inside = await connectAsync(`mqtt://127.0.0.1:${broker.port}`);
      await inside.publishAsync('cmd/power/branch/9', JSON.stringify(commandOf()), { qos: 1 });
      await inside.endAsync();
      const op = await operator();
      const good = commandOf();
      expect((await ask(op, good)).decision).toBe('pass');
      await until('the lawful one has come', () => heard.messages.length > 0);
      expect(heard.messages.map((m) => (JSON.parse(m.text) as { id: string }).id)).toEqual([good.id]);
      await client.endAsync();
    });
  });

  describe('commands', () => {
    it.each([4, 5] as const)(
      'that pass reach the device once, at QoS 0, though sent twice (MQTT %i)',
      async (protocolVersion) => {
        answer = async () => pass;
        const { client, heard } = await breaker(gateway, { protocolVersion });
        const op = await city.client(gateway.port, ana, { protocolVersion });
        const command = commandOf();
        expect((await ask(op, command)).decision).toBe('pass');
        const again = await ask(op, command);
        expect(again).toMatchObject({ decision: 'refuse' });
        expect(again.reasons[0]).toContain('nonce');
        await until('it has come', () => heard.messages.length > 0);
        expect(heard.messages).toHaveLength(1);
        expect(heard.messages[0]).toMatchObject({ qos: 0, retain: false });
        expect(JSON.parse(heard.messages[0]!.text)).toMatchObject({ id: command.id, target: 'power/branch/9' });
        await client.endAsync();
        await op.endAsync();
      },
    );

    it('are refused for another requester, another target, an undeclared action, a retained one, a wrong form', async () => {
      const op = await operator();
      for (const bad of [{ requester: 'bo' }, { action: 'melt' }, { deadline: 1 }, { at: 1 }])
        expect((await ask(op, commandOf(bad))).decision, JSON.stringify(bad)).toBe('refuse');
      const mismatched = commandOf({ target: 'power/branch/8' });
      await expect(op.publishAsync('cmd/power/branch/9', JSON.stringify(mismatched), { qos: 1 })).rejects.toThrow();
      await expect(
        op.publishAsync('cmd/power/branch/9', JSON.stringify(commandOf()), { qos: 1, retain: true }),
      ).rejects.toThrow();
      await expect(op.publishAsync('cmd/power/branch/9', '{"id":1}', { qos: 1 })).rejects.toThrow();
      await op.endAsync();
    });

    it('that are held leave only when two others agree, and only once', async () => {
      answer = async () => hold;
      const { client, heard } = await breaker();
      const op = await operator();
      const command = commandOf();
      expect(await ask(op, command)).toMatchObject({ decision: 'hold', reasons: hold.reasons });
      const id = command.id as string;
      const held = gateway.holds.list().find((h) => h.id === id)!;
      expect(held.requester).toBe(ana);
      expect((await gateway.holds.release(id, ana)).text).toContain('asked');
      expect((await gateway.holds.release(id, `${domain}/operator/dan`)).done).toBe(false);
      expect((await gateway.holds.release(id, bo, 'another digest')).done).toBe(false);
      expect(await gateway.holds.release(id, bo, held.digest)).toEqual({
        done: false,
        text: 'Agreed. 1 more must agree.',
      });
      expect((await gateway.holds.release(id, bo)).text).toContain('already');
      expect(heard.messages).toHaveLength(0);
      const both = await Promise.all([gateway.holds.release(id, cy), gateway.holds.release(id, cy)]);
      expect(both.filter((r) => r.done)).toHaveLength(1);
      await until('it has come', () => heard.messages.length > 0);
      expect(heard.messages).toHaveLength(1);
      expect(gateway.holds.list().some((h) => h.id === id)).toBe(false);
      await client.endAsync();
      await op.endAsync();
    });

    it('that are held are refused by one', async () => {
      answer = async () => hold;
      const op = await operator();
      const heard = new Heard(op);
      const command = commandOf();
      await ask(op, command);
      expect(await gateway.holds.refuse(command.id as string, bo)).toMatchObject({ done: true });
      await until('a second verdict has come', () => heard.on(`verdict/${String(command.id)}`).length >= 2);
      expect(heard.messages.at(-1)!.text).toContain('"refuse"');
      await op.endAsync();
    });

    it('are held where physics is late, throws, or answers nonsense', async () => {
      const g = await start({}, { limits: { judgeMs: 60 } });
      const op = await operator(g);
      answer = () => new Promise(() => {});
      expect((await ask(op, commandOf())).reasons[0]).toContain('did not answer');
      answer = () => Promise.reject(new Error('no route to the twin'));
      expect(await ask(op, commandOf())).toMatchObject({ decision: 'hold' });
      answer = () => {
        throw new Error('at once');
      };
      expect(await ask(op, commandOf())).toMatchObject({ decision: 'hold' });
      answer = async () => ({ decision: 'pass' }) as never;
      expect(await ask(op, commandOf())).toMatchObject({ decision: 'hold' });
      answer = async () => pass;
    });

    it('are held when too many pass in a window, also when they come at once', async () => {
      answer = async () => pass;
      const g = await start({}, { sequence: { most: 3, mostTotal: 100, mostPerTarget: 100, within: '10m' } });
      const op = await operator(g);
      const verdicts: string[] = [];
      g.onVerdict((v) => verdicts.push(v.decision));
      await Promise.all(
        Array.from({ length: 8 }, (_, i) =>
          op.publishAsync(`cmd/power/branch/${i}`, JSON.stringify(commandOf({ target: `power/branch/${i}` })), {
            qos: 1,
          }),
        ),
      );
      expect(verdicts.filter((v) => v === 'pass')).toHaveLength(3);
      expect(verdicts.filter((v) => v === 'hold')).toHaveLength(5);
    });

    it('are held, and say so, while the audit can not be written; emergencies pass', async () => {
      answer = async () => pass;
      let full = false;
      const auditSink: AuditSink = {
        write: async () => {
          if (full) throw new Error('ENOSPC: no space left on device');
        },
        sync: async () => {},
        truncate: async () => {},
        close: async () => {},
      };
      const said: string[] = [];
      const g = await start({ auditSink, say: (t) => said.push(t) });
      full = true;
      const op = await operator(g);
      expect((await ask(op, commandOf())).reasons[0]).toContain('audit');
      expect(g.health().audit).toContain('ENOSPC');
      expect(await ask(op, commandOf({ target: 'power/gen/1', action: 'trip' }))).toMatchObject({ decision: 'pass' });
      expect(said.join()).toContain('Emergency');
      full = false;
      expect(await ask(op, commandOf())).toMatchObject({ decision: 'pass' });
    });

    it('that are held are still held after a restart, with their one agreement, and replays are still known', async () => {
      answer = async () => hold;
      const config = city.config({ broker: `mqtt://127.0.0.1:${broker.port}` });
      const first = await start({ config });
      const command = commandOf();
      const op = await operator(first);
      await ask(op, command);
      await first.holds.release(command.id as string, bo);
      await op.endAsync();
      await first.close();
      open.splice(open.indexOf(first), 1);
      answer = async () => pass;
      const second = await start({ config });
      expect(second.holds.list()).toMatchObject([{ id: command.id, approvals: [bo], requester: ana }]);
      expect((await ask(await operator(second), command)).reasons[0]).toContain('nonce');
      const { heard } = await breaker(second);
      expect(await second.holds.release(command.id as string, cy)).toMatchObject({ done: true });
      await until('it has come', () => heard.messages.length === 1);
      expect(verify(config.audit).fault).toBeUndefined();
    });

    it('are in the audit before they leave: received, judged, out', async () => {
      answer = async () => pass;
      const config = city.config({ broker: `mqtt://127.0.0.1:${broker.port}` });
      const g = await start({ config });
      const command = commandOf();
      await ask(await operator(g), command);
      await until('the outcome is recorded', () => readFileSync(config.audit, 'utf8').includes('"outcome"'));
      const types: string[] = [];
      expect(verify(config.audit, (e) => types.push(e.type)).fault).toBeUndefined();
      expect(types).toEqual(['begin', 'command', 'verdict', 'outcome']);
    });
  });

  it('holds commands while the broker is away, keeps QoS 1 telemetry, sheds the oldest QoS 0, and comes back', async () => {
    answer = async () => pass;
    let own = await startBroker();
    const g = await start({}, { broker: `mqtt://127.0.0.1:${own.port}`, limits: { queueBytes: 4096 } });
    const op = await operator(g);
    const heard = new Heard(op);
    await op.subscribeAsync(['verdict/#', 'power/#'], { qos: 1 });
    const meter = await city.client(g.port, `${domain}/meter/dev-1`);
    const verdicts: string[] = [];
    g.onVerdict((v) => verdicts.push(v.decision));
    await own.close();
    await until('the gateway knows', () => !g.health().brokerUp);
    const command = commandOf();
    await op.publishAsync('cmd/power/branch/9', JSON.stringify(command), { qos: 1 });
    expect(verdicts).toEqual(['hold']);
    expect((await g.holds.release(command.id as string, bo)).text).toContain('stays held');
    for (let i = 0; i < 40; i++) meter.publish('power/dev-1/note/q0', `n${i}`, { qos: 0 });
    const kept = meter.publishAsync('power/dev-1/note/q1', 'kept', { qos: 1 });
    await until('some are shed', () => g.health().shed > 0);
    own = await startBroker(own.port);
    await kept;
    await until(
      'the kept one and the verdict have come',
      () => heard.on('power/dev-1/note/q1').length > 0 && heard.on(`verdict/${String(command.id)}`).length > 0,
    );
    const notes = heard.on('power/dev-1/note/q0');
    expect(notes.length).toBeLessThan(40);
    expect(notes.at(-1)).toBe('n39');
    await g.holds.release(command.id as string, bo);
    expect(await g.holds.release(command.id as string, cy)).toMatchObject({ done: true });
    await own.close();
  });
});
