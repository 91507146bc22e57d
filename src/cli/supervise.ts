// The small family of `serve`: starts hub, gateway and sensor as child processes, carries messages between them, and starts
// again what dies. It holds no state and judges nothing: with the hub gone the gateway gets no answer, and holds.
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { type BusMessage, type Channel, forkChannel } from '#bus';
import { UsageError } from './options.ts';
import { CANNOT_START, RECORDED_MILLIS, type Settings } from './processes/settings.ts';

/**
 * Of what a sensor allocates nearly all is dropped at once, and its state is bounded. V8 would rather let both generations grow
 * several times over before it collects: under load the process grew by a third of its size with nothing kept.
 */
const SENSOR_V8 = ['--heap-growing-percent=30', '--max-semi-space-size=8'];

type Name = 'hub' | 'gateway' | 'sensor';
const silent = { kind: 'health', at: 0, shed: 0, rssBytes: 0 } as const;

export interface Family {
  /** Resolves when the input is read to its end and the hub has kept what came of it (event time reached). */
  readonly ended: Promise<number>;
  /** Rejects where one of them can't start with what it was given. */
  readonly failed: Promise<never>;
  /** Where the page is, once the hub listens. */
  readonly page: Promise<string>;
  /** Port and broker, once the gateway listens; undefined where there is none. */
  readonly door: Promise<{ port: number; broker: string } | undefined>;
  /** Messages of all processes, for those who watch. */
  onMessage(hear: (from: Name, message: BusMessage) => void): void;
  /**
   * A message to one of them (tests, the demo). One that tells the sensor how far the other inputs are resolves when it is
   * not far behind: whoever plays them does not run away from it.
   */
  send(to: Name, message: BusMessage): Promise<void>;
  readonly pids: () => Readonly<Partial<Record<Name, number>>>;
  close(): Promise<void>;
}

/** Pause before a process that died is started again, milliseconds; it doubles up to the last. */
const PAUSES = [100, 1000, 5000];
/** A process that lived this long may die again without a longer pause. */
const STEADY_MILLIS = 2000;
/** How long the hub may take over a command that somebody waits for. */
const LIVE_MILLIS = 1000;
/** How far a sensor may be behind who plays the other inputs (event time), and how long these wait for it at the most. */
const BEHIND_MICROS = 30e6;
const BEHIND_MILLIS = 2000;
/** Messages of the gateway that wait for a hub that is away; the oldest go first. The audit has them in any case. */
const MISSED_MAX = 1000;

export function superviseFamily(settings: Settings, say: (text: string) => void): Family {
  const members: Partial<Record<Name, { child: ChildProcess; channel: Channel; deaths: number }>> = {};
  const heard: ((from: Name, message: BusMessage) => void)[] = [];
  let closing = false;
  /** The sensor's last snapshot: what a sensor that died goes on from. */
  let last: Extract<BusMessage, { kind: 'checkpointed' }> | undefined;
  let sensorDone = false;
  /** How far the other inputs are, as last told: what is started again must know it too. */
  const told: Partial<Record<Name, BusMessage>> = {};
  /** The gateway's list of held commands, for a hub that comes back, and what it said while there was none. */
  let holds: BusMessage | undefined;
  let missed: BusMessage[] = [];
  const restarts = new Set<NodeJS.Timeout>();
  /** Event time that the sensor has reached; Infinity while nobody should wait for it, since it died and is not back. */
  let sensorAt = settings.inputs.length > 0 ? 0 : Number.POSITIVE_INFINITY;
  const ended = Promise.withResolvers<number>();
  const page = Promise.withResolvers<string>();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const door = Promise.withResolvers<{ port: number; broker: string } | undefined>();
  if (!settings.gateway) door.resolve(undefined);

  const start = (name: Name, deaths: number): void => {
    const module = join(import.meta.dirname, 'processes', `${name}.ts`);
    const { child, channel } = forkChannel(
      module,
      [JSON.stringify(settings)],
      {
        // What a dead sensor or hub had on the way is dropped with it: its successor says it again from the checkpoint.
        onMessage: (message) =>
          name === 'gateway' || members[name]?.child === child ? relay(name, message) : undefined,
        onRequest: async (command) => {
          const hub = members.hub?.channel;
          const answer =
            hub === undefined
              ? undefined
              : await hub.request(command, name === 'sensor' ? RECORDED_MILLIS : LIVE_MILLIS);
          if (answer?.kind !== 'verdict') throw new Error(answer?.text ?? 'The hub is not running.');
          return answer;
        },
      },
      { execArgv: name === 'sensor' ? SENSOR_V8 : [] },
    );
    members[name] = { child, channel, deaths };
    const clock = told[name];
    if (clock !== undefined) void channel.send(clock).catch(() => {});
    const born = performance.now();
    child.on('exit', (code, signal) => {
      if (members[name]?.child !== child) return;
      delete members[name];
      if (closing || (name === 'sensor' && sensorDone)) return;
      if (code === CANNOT_START) {
        failed.reject(new UsageError(`the ${name} can't start with this city file (see above).`));
        return;
      }
      if (name !== 'gateway') sensorAt = Number.POSITIVE_INFINITY;
      say(`The ${name} process ended (${signal ?? `exit ${code}`}); it is started again.`);
      // A new hub stands at its last checkpoint, and the sensor must go back there with it: what it told a dead hub is lost.
      if (name === 'hub') {
        sensorDone = false;
        last = undefined;
        const sensor = members.sensor;
        delete members.sensor;
        sensor?.child.kill('SIGKILL');
      } else if (name === 'sensor') void tellHub({ ...silent, process: 'sensor', text: 'The sensor ended.' });
      const again = performance.now() - born > STEADY_MILLIS ? 0 : deaths + 1;
      // Held, not unref'd: where all are dead this timer is the only thing that keeps the supervisor alive.
      const timer = setTimeout(
        () => {
          restarts.delete(timer);
          if (closing || members[name] !== undefined) return;
          // Without a word of the hub yet, the sensor is started with its first one, from where that hub stands.
          if (name === 'sensor' && (members.hub === undefined || last === undefined)) return;
          start(name, again);
          if (name === 'sensor') void members.sensor!.channel.send(last!).catch(() => {});
        },
        PAUSES[Math.min(deaths, PAUSES.length - 1)],
      );
      restarts.add(timer);
    });
  };

  const tellHub = async (message: BusMessage): Promise<void> => {
    await members.hub?.channel.send(message).catch(() => {});
  };

  const relay = async (from: Name, message: BusMessage): Promise<void> => {
    for (const hear of heard) hear(from, message);
    if (message.kind === 'health') {
      if (from === 'hub' && message.text.startsWith('http')) page.resolve(message.text);
      else if (from === 'gateway' && message.text.startsWith('listening ')) {
        const [, port, ...broker] = message.text.split(' ');
        door.resolve({ port: Number(port), broker: broker.join(' ') });
      } else if (message.text !== '') say(message.text);
      return;
    }
    if (from === 'hub') {
      if (message.kind === 'checkpointed') {
        last = message;
        if (holds !== undefined) await tellHub(holds);
        for (const m of missed.splice(0)) await tellHub(m);
        if (settings.inputs.length > 0) {
          if (members.sensor === undefined) start('sensor', 0);
          await members.sensor!.channel.send(message).catch(() => {});
        }
      } else if (message.kind === 'checkpoint') await members.sensor?.channel.send(message).catch(() => {});
      else if (message.kind === 'answer') await members.gateway?.channel.send(message).catch(() => {});
      else if (message.kind === 'end') {
        sensorDone = true;
        ended.resolve(message.at);
      }
      return;
    }
    if (message.kind === 'checkpointed') last = message;
    if (message.kind === 'advance' && from === 'sensor') sensorAt = message.at;
    if (message.kind === 'holds') holds = message;
    else if (members.hub === undefined && from === 'gateway' && message.kind !== 'readings') {
      missed.push(message);
      if (missed.length > MISSED_MAX) missed = missed.slice(-MISSED_MAX);
    }
    await tellHub(message);
  };

  start('hub', 0);
  if (settings.gateway) start('gateway', 0);

  return {
    failed: failed.promise,
    ended: ended.promise,
    page: page.promise,
    door: door.promise,
    onMessage: (hear) => void heard.push(hear),
    send: async (to, message) => {
      if (message.kind === 'advance') told[to] = message;
      await members[to]?.channel.send(message);
      if (message.kind !== 'advance' || to !== 'sensor') return;
      for (let waited = 0; sensorAt < message.at - BEHIND_MICROS && !sensorDone && waited < BEHIND_MILLIS; waited += 5)
        await new Promise((resolve) => setTimeout(resolve, 5));
    },
    pids: () => ({
      ...(members.hub?.child.pid === undefined ? {} : { hub: members.hub.child.pid }),
      ...(members.gateway?.child.pid === undefined ? {} : { gateway: members.gateway.child.pid }),
      ...(members.sensor?.child.pid === undefined ? {} : { sensor: members.sensor.child.pid }),
    }),
    close: async () => {
      closing = true;
      for (const timer of restarts) clearTimeout(timer);
      const running = Object.values(members);
      await Promise.all(
        running.map(
          (m) =>
            new Promise<void>((resolve) => {
              const hard = setTimeout(() => m.child.kill('SIGKILL'), 5000);
              m.child.once('exit', () => {
                clearTimeout(hard);
                resolve();
              });
              m.child.kill('SIGTERM');
            }),
        ),
      );
    },
  };
}
