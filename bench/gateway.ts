// The gateway's cost: publishing through TLS, proxy and Mosquitto against Mosquitto alone, and the time of a decision.
import { connectAsync, type MqttClient } from 'mqtt';
import { startBroker } from '../src/gateway/broker.ts';
import { startGateway } from '../src/gateway/process.ts';
import { ana, commandOf, domain, TestCity, until } from '../src/gateway/testing.ts';

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly goal?: number;
}

const messages = 10_000;
const commands = 500;

/** QoS 1 messages of 200 octets a second, 16 under way. */
async function publishRate(client: MqttClient, topic: string): Promise<number> {
  const payload = Buffer.alloc(200, 0x78);
  const from = performance.now();
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next++ < messages) await client.publishAsync(topic, payload, { qos: 1 });
  };
  await Promise.all(Array.from({ length: 16 }, lane));
  return Math.round((messages / (performance.now() - from)) * 1000);
}

export async function bench(): Promise<Figure[]> {
  const city = await TestCity.make();
  const broker = await startBroker();
  const micros: number[] = [];
  const gateway = await startGateway({
    config: city.config({ broker: `mqtt://127.0.0.1:${broker.port}` }),
    tls: city.tls,
    judge: async () => ({ decision: 'pass', reasons: ['nothing stands against it'], leansOn: [], harm: [] }),
    onVerdict: (v) => micros.push(v.decidedInMicros),
  });
  try {
    await until('the broker is up', () => gateway.health().brokerUp);
    const direct = await connectAsync(`mqtt://127.0.0.1:${broker.port}`, { protocolVersion: 5 });
    await publishRate(direct, 'power/warm/note/x');
    const alone = await publishRate(direct, 'power/m1/note/x');
    const meter = await city.client(gateway.port, `${domain}/meter/m1`);
    const through = await publishRate(meter, 'power/m1/note/x');
    const operator = await city.client(gateway.port, ana);
    const whole: number[] = [];
    for (let i = 0; i < commands; i++) {
      const from = performance.now();
      await operator.publishAsync('cmd/power/branch/9', JSON.stringify(commandOf()), { qos: 1 });
      whole.push((performance.now() - from) * 1000);
    }
    await direct.endAsync();
    const p99 = (list: number[]): number => Math.round(list.sort((a, b) => a - b)[Math.floor(list.length * 0.99)] ?? 0);
    return [
      { name: 'publish QoS 1, Mosquitto alone', value: alone, unit: 'messages/s' },
      { name: 'publish QoS 1, TLS + gateway + Mosquitto', value: through, unit: 'messages/s', goal: 2000 },
      {
        name: 'command decided, p99 (audit entry durable, trivial judge)',
        value: p99(micros),
        unit: 'us',
        goal: 20_000,
      },
      { name: 'command acknowledged to its requester, p99', value: p99(whole), unit: 'us', goal: 50_000 },
    ];
  } finally {
    await city.close();
    await gateway.close();
    await broker.close();
  }
}

if (import.meta.main) {
  for (const f of await bench()) console.log(`${f.name}: ${f.value} ${f.unit}`);
  process.exit(0);
}
