// The blackout through the real gateway, a real Mosquitto, real MQTT clients and the page's own API. What happens while
// processes die is in test/live.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync } from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensurePage } from '#console';
import type { Verdict } from '#findings';
import { harmfulIds, type RangeSummary, runScenario } from '#range';
import { DemoCity } from '../src/cli/demo-city.ts';
import type { Settings } from '../src/cli/processes/settings.ts';
import { type Family, superviseFamily } from '../src/cli/supervise.ts';

const dir = mkdtempSync(join(tmpdir(), 'parapet-hold-'));
const range = join(dir, 'range');
let summary: RangeSummary;

beforeAll(() => {
  summary = runScenario('blackout', { seed: 4, out: range, quietDays: 0.05, meters: 200 });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Played {
  /** Ids of commands that a device on the broker would have received. */
  readonly delivered: string[];
  readonly verdicts: Map<string, Verdict[]>;
  readonly said: string[];
}

async function play(
  name: string,
  disturb: (family: Family, over: () => boolean) => Promise<void>,
  speed = 500,
): Promise<Played> {
  const store = mkdtempSync(join(dir, `${name}-`));
  const city = new DemoCity(range, summary.attackAt, join(store, 'keys'));
  const settings: Settings = {
    city: await city.writeCity(join(store, 'audit.ndjson')),
    store,
    inputs: ['network.pcap', 'signalling.pcap'].map((n) => join(range, n)),
    speed,
    fastUntil: summary.attackAt,
    planes: [],
    consolePort: 0,
    gateway: true,
    eventClock: true,
  };
  const said: string[] = [];
  const family = superviseFamily(settings, (text) => void said.push(text));
  const verdicts = new Map<string, Verdict[]>();
  const delivered: string[] = [];
  family.onMessage((from, message) => {
    if (from === 'gateway' && message.kind === 'verdicts')
      for (const v of message.verdicts) verdicts.set(v.command, [...(verdicts.get(v.command) ?? []), v]);
  });
  try {
    const door = await Promise.race([family.door, family.failed]);
    const brokerPort = Number(/127\.0\.0\.1:(\d+)/.exec(door!.broker)![1]);
    const device = await connectAsync({
      host: '127.0.0.1',
      port: brokerPort,
      clientId: `device-${name}`,
      reconnectPeriod: 200,
    });
    device.on('error', () => {});
    device.on('message', (_, payload) => void delivered.push((JSON.parse(payload.toString()) as { id: string }).id));
    await device.subscribeAsync('cmd/#');
    await city.connect(door!.port);
    let over = false;
    const disturbed = disturb(family, () => over);
    await city.play({
      speed,
      fastUntil: summary.attackAt,
      advance: async (at) => {
        await family.send('gateway', { kind: 'advance', at });
        await family.send('sensor', { kind: 'advance', at });
      },
      onAttack: () => {},
    });
    over = true;
    await disturbed;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await city.disconnect();
    await device.endAsync(true);
  } finally {
    await family.close();
  }
  return { delivered, verdicts, said };
}

function commandIds(): string[] {
  return readFileSync(join(range, 'commands.ndjson'), 'utf8')
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => (JSON.parse(l) as { id: string }).id);
}

describe('the gateway in the blackout', () => {
  it('harmful ones are held with what they lean on, honest ones pass, and two people on the page can release one', {
    timeout: 120_000,
    retry: 2,
  }, async () => {
    await ensurePage();
    let released = '';
    let before: string[] = [];
    const answers: { accepted: boolean; text: string }[] = [];
    const held = Promise.withResolvers<{ hold: string; command: string }>();
    const { delivered, verdicts } = await play(
      'released',
      async (family, over) => {
        family.onMessage((from, message) => {
          if (from === 'gateway' && message.kind === 'holds' && message.holds.length > 0)
            held.resolve({ hold: message.holds[0]!.id, command: message.holds[0]!.command.id });
        });
        const page = await family.page;
        const { hold, command } = await held.promise;
        released = command;
        const { token } = (await (await fetch(`${page}api/state`)).json()) as { token: string };
        const answer = async (what: string, person: string) => {
          const response = await fetch(`${page}api/holds/${hold}/${what}`, {
            method: 'POST',
            headers: { 'content-type': 'application/json', origin: page.replace(/\/$/, ''), 'x-parapet-token': token },
            body: JSON.stringify({ person }),
          });
          answers.push((await response.json()) as { accepted: boolean; text: string });
        };
        const person = (name: string): string => `spiffe://city.example/person/${name}`;
        await answer('release', person('anna'));
        // The same person twice is one person; a stranger is nobody.
        await answer('release', person('anna'));
        await answer('release', person('mallory'));
        before = answers.map((a) => String(a.accepted));
        await answer('release', person('ben'));
        while (!over()) await new Promise((resolve) => setTimeout(resolve, 50));
      },
      150,
    );
    expect(before).toEqual(['true', 'false', 'false']);
    expect(answers[3]?.accepted).toBe(true);
    const harmful = harmfulIds(range);
    expect(harmful.size).toBe(3);
    // Only what two people let out is delivered, once.
    expect(harmful.has(released)).toBe(true);
    expect(delivered.filter((id) => harmful.has(id))).toEqual([released]);
    for (const id of harmful) {
      const first = verdicts.get(id)![0]!;
      expect(first.decision, id).not.toBe('pass');
      expect(first.leansOn.length + first.harm.length, first.reasons.join(' ')).toBeGreaterThan(0);
    }
    const honest = commandIds().filter((id) => !harmful.has(id));
    expect(honest.filter((id) => delivered.includes(id)).length / honest.length).toBeGreaterThan(0.9);
  });
});
