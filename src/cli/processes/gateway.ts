// The gateway in a process of its own, with the keys and the sockets. Physics is the hub's, asked over the channel with a
// deadline; with the hub gone every command is held, in words.
import { type BusMessage, Channel, type Hold, type Port } from '#bus';
import { loadCity } from '#city';
import { gatewayConfig, startGateway } from '#gateway';
import { endWithParent, settingsFromArgv } from './settings.ts';

const settings = settingsFromArgv();
const city = settings.city === '' ? loadCity() : loadCity(settings.city);
// Everything else may be down for a while: the gateway still answers, and holds.
endWithParent(30_000);

const started = performance.now();
const startedAt = Date.now() * 1000;
const now =
  settings.clockOffset === 0
    ? () => Date.now() * 1000
    : () =>
        Math.round(
          startedAt + settings.clockOffset + (performance.now() - started) * 1000 * Math.max(1, settings.speed),
        );

const channel = new Channel(process as unknown as Port, {
  onMessage: async (message: BusMessage) => {
    if (message.kind !== 'answer') return;
    const answer = message.release
      ? await gateway.holds.release(message.hold, message.person)
      : await gateway.holds.refuse(message.hold, message.person);
    await channel.send({ kind: 'answered', hold: message.hold, done: answer.done, text: answer.text });
    await tellHolds();
  },
});

const config = gatewayConfig(city);
const gateway = await startGateway({
  config,
  now,
  judge: async (command, deadlineMicros) => {
    const answer = await channel.request(command, Math.max(1, (deadlineMicros - now()) / 1000));
    if (answer.kind === 'late') throw new Error(answer.text);
    return {
      decision: answer.decision,
      reasons: answer.reasons,
      leansOn: answer.leansOn,
      harm: answer.harm,
      ...(answer.loadLostShare === undefined ? {} : { loadLostShare: answer.loadLostShare }),
    };
  },
  onTelemetry: (readings) => void channel.trySend({ kind: 'readings', readings }),
  onVerdict: (verdict) => {
    void channel.send({ kind: 'verdicts', verdicts: [verdict] }).catch(() => {});
    if (verdict.decision === 'hold') void tellHolds();
  },
  say: (text) =>
    void channel.send({ kind: 'health', process: 'gateway', at: now(), shed: 0, rssBytes: 0, text }).catch(() => {}),
});

async function tellHolds(): Promise<void> {
  const holds: Hold[] = gateway.holds.list().map((h) => ({
    id: h.id,
    command: h.command,
    verdict: h.verdict,
    approvals: h.approvals,
    needed: config.approvals.need,
    expiresAt: h.expiresAt,
  }));
  await channel.send({ kind: 'holds', holds }).catch(() => {});
}

await channel.send({
  kind: 'health',
  process: 'gateway',
  at: now(),
  shed: 0,
  rssBytes: process.memoryUsage().rss,
  text: `listening ${gateway.port} ${gateway.broker}`,
});
await tellHolds();

process.on('SIGTERM', () => void gateway.close().then(() => process.exit(0)));
