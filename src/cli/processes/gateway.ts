// The gateway in a process of its own, with the keys and the sockets. Physics is the hub's, asked over the channel with a
// deadline; with the hub gone every command is held, in words.
import { setTimeout as sleep } from 'node:timers/promises';
import { type BusMessage, Channel, type Hold, type Port } from '#bus';
import { loadCity } from '#city';
import type { Reading } from '#events';
import { type Gateway, type GatewayOptions, gatewayConfig, startGateway } from '#gateway';
import { AuditBusy } from '#gateway/audit';
import { AuditTail } from './audit-tail.ts';
import { endInWords, endWithParent, settingsFromArgv } from './settings.ts';

/** How long the gateway still answers, and holds, with nobody above it; and how often another waits a second for that. */
const ALONE_MILLIS = 30_000;
const BUSY_TRIES = 40;

endInWords('gateway');
const settings = settingsFromArgv();
const city = settings.city === '' ? loadCity() : loadCity(settings.city);
// Everything else may be down for a while: the gateway still answers, and holds.
endWithParent(ALONE_MILLIS);

/** Event time told last, and when: it runs on at the pace of the replay until it is told again. */
let toldAt = 0;
let told = 0;
const now = (): number => {
  if (!settings.eventClock) return Date.now() * 1000;
  return Math.round(toldAt + Math.min(10e6, (performance.now() - told) * 1000 * Math.max(1, settings.speed)));
};

/** Readings on their way to the hub: sent in pieces, shed oldest first where the hub does not keep up. */
const READINGS_MAX = 100_000;
let readings: Reading[] = [];
let readingsShed = 0;
function tellReadings(): void {
  while (readings.length > 0 && channel.trySend({ kind: 'readings', readings: readings.slice(0, 2048) }))
    readings = readings.slice(2048);
  if (readings.length > READINGS_MAX) {
    readingsShed += readings.length - READINGS_MAX;
    readings = readings.slice(-READINGS_MAX);
  }
}
setInterval(tellReadings, 20);

const channel = new Channel(process as unknown as Port, {
  onMessage: async (message: BusMessage) => {
    // A clock may be set back too; what has become stale stays so (gateway/interlock, Nonces).
    if (message.kind === 'advance') {
      toldAt = message.at;
      told = performance.now();
    }
    if (message.kind !== 'answer') return;
    const agreed = (): number => gateway.holds.list().find((h) => h.id === message.hold)?.approvals.length ?? 0;
    const before = agreed();
    const answer = message.release
      ? await gateway.holds.release(message.hold, message.person)
      : await gateway.holds.refuse(message.hold, message.person);
    await channel.send({
      kind: 'answered',
      hold: message.hold,
      done: answer.done || agreed() > before,
      text: answer.text,
    });
    await tellHolds();
  },
});

const config = gatewayConfig(city);
const options: GatewayOptions = {
  config,
  now,
  judge: async (command) => {
    // The wait is in real time whatever the clock of commands does: one that is stepped, or runs fast, makes nobody late.
    // What was measured before the command counts for it.
    tellReadings();
    const answer = await channel.request(command, config.limits.judgeMs);
    if (answer.kind === 'late') throw new Error(answer.text);
    return {
      decision: answer.decision,
      reasons: answer.reasons,
      leansOn: answer.leansOn,
      harm: answer.harm,
      ...(answer.loadLostShare === undefined ? {} : { loadLostShare: answer.loadLostShare }),
    };
  },
  onTelemetry: (more) => {
    for (const r of more) readings.push(r);
    if (readings.length >= 2048) tellReadings();
  },
  onVerdict: (verdict) => {
    void channel.send({ kind: 'verdicts', verdicts: [verdict] }).catch(() => {});
    // Held, or no longer: the desk changes its list around the verdict.
    setTimeout(() => void tellHolds(), 50);
  },
  say: (text) =>
    void channel
      .send({ kind: 'health', process: 'gateway', at: now(), shed: readingsShed, rssBytes: 0, text })
      .catch(() => {}),
};
const gateway = await whenFree();

/** Where the family was killed, the gateway of before still holds commands for a while, and its audit with them. */
async function whenFree(): Promise<Gateway> {
  for (let tries = 1; ; tries++) {
    try {
      return await startGateway(options);
    } catch (error) {
      if (!(error instanceof AuditBusy) || tries >= BUSY_TRIES) throw error;
      if (tries === 1) options.say!(`${error.message} This one waits until it has ended.`);
      await sleep(1000);
    }
  }
}

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

const tail = new AuditTail(config.audit);
function tellActions(): void {
  const actions = tail.poll();
  if (actions.length > 0) void channel.send({ kind: 'actions', actions }).catch(() => {});
}
setInterval(tellActions, 500);

process.on('SIGTERM', () => void gateway.close().then(() => process.exit(0)));
