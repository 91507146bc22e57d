// The hub: trust, incidents, twins, store and page. It answers the gateway's question about a command, and it checkpoints:
// its own state and the sensor's in one transaction, with the place in the input that both stand for.
import { type BusMessage, Channel, type Port } from '#bus';
import { loadCity } from '#city';
import type { Command, Reading } from '#events';
import { type Finding, isoTime, type Verdict } from '#findings';
import { decideRecorded, Hub, twinsOf, VERDICTS_MAX } from '#pipeline';
import { EvidenceWriter, evidenceRows, lockStore, openStore, type Store, StoreError } from '#store';
import { HubConsole } from './hub-console.ts';
import { HubResponse } from './hub-response.ts';
import { endInWords, endWithParent, isLiveInput, settingsFromArgv } from './settings.ts';

/** Event time between checkpoints, and the least wall time, so that a fast replay does not write without end. */
const CHECKPOINT_MICROS = 30e6;
const CHECKPOINT_MILLIS_MIN = 1000;
/** Event time between estimates where no command asks for one. */
const ESTIMATE_MICROS = 60e6;
/** A checkpoint that was not answered by then is asked for again: its sensor died. */
const ANSWER_MILLIS = 5000;
/** A sensor may be this far behind the command that is judged, microseconds of event time. */
const SENSOR_LAG_MICROS = 60e6;

endInWords('hub');
const settings = settingsFromArgv();
const city = settings.city === '' ? loadCity() : loadCity(settings.city);
endWithParent(2000);

const hub = new Hub({ city, twins: twinsOf(city), decide: decideRecorded });
if (settings.store !== '') lockStore(settings.store);
const store: Store | undefined = settings.store === '' ? undefined : openStore(settings.store);
const evidence = settings.store === '' ? undefined : new EvidenceWriter(settings.store);
const page = new HubConsole(city, hub, (message) => void channel.send(message).catch(() => {}));

/** Refuses what findings ask to be refused, where city.yaml says so and there is a store to keep what was done. */
const response =
  settings.store === '' ||
  (city.file.response?.rpz === undefined && (city.file.response?.mode ?? 'observe') === 'observe')
    ? undefined
    : new HubResponse({
        city,
        store: settings.store,
        isLive: !settings.eventClock && settings.inputs.some(isLiveInput),
        finding: (id) => hub.findings.get(id),
        tell: (action) => {
          page.action(action);
          void channel.send({ kind: 'responses', actions: [action] }).catch(() => {});
        },
        fault: (fault) => void channel.send({ kind: 'faults', faults: [fault] }).catch(() => {}),
      });
if (response !== undefined) page.response = response;

/** Why the store can't be written, or ''. While it can't, commands are held: nothing is decided that can't be kept. */
let storeTrouble = '';

/** Runs a write; a failing store is said once, and what it missed is written again when it is back. */
function keepSafe(write: (s: Store) => void): void {
  if (store === undefined) return;
  try {
    write(store);
    if (storeTrouble === '') return;
    storeTrouble = '';
    store.saveFindings([...hub.findings.values()]);
    store.saveVerdicts(hub.verdicts);
    store.saveIncidents(hub.allIncidents());
    store.saveTrust(hub.trust.records(at));
    say('The store can be written again; what it missed is in it now.');
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    if (storeTrouble === '') say(`${error.message} Commands are held until it can be written.`);
    storeTrouble = error.message;
  }
}

function say(text: string): void {
  void channel
    .send({ kind: 'health', process: 'hub', at, shed: hub.shed, rssBytes: process.memoryUsage().rss, text })
    .catch(() => {});
}

let at = 0;
let estimatedAt = 0;
let checkpointAt = 0;
let checkpointMillis = 0;
/** When a checkpoint was asked for that is not answered yet. */
let askedMillis = Number.NEGATIVE_INFINITY;
/** Event time of the end of the input, once the sensor is there; told on when all is kept. */
let endAt: number | undefined;
/** Commands asked about and not yet decided by the gateway: when they pass, the twin counts with them. */
const asked = new Map<string, Command>();

const saved = store?.lastCheckpoint();
if (saved !== undefined) {
  for (const d of saved.detectors) {
    if (d.name === 'hub/trust') hub.trust.restore(d.state);
    else if (d.name === 'hub/incidents') hub.incidents.restore(d.state);
  }
  // What was found after the checkpoint counts from the start: trust must not rise again because a process died.
  for (const f of store!.findings({ limit: 100_000 }).reverse()) hub.claim(f);
  at = saved.at;
  checkpointAt = saved.at;
}
/** Incidents as the store has them, to forget those that were joined to others. */
let incidentsKept = new Set(store?.incidents(100_000).map((i) => i.id));
/**
 * Whether networks are watched while commands come. What the sensor has not read yet can't have lowered trust: where it is
 * dead, or behind, commands wait.
 */
const isWatched =
  settings.gateway && (settings.eventClock ? settings.inputs.length > 0 : settings.inputs.some(isLiveInput));
/** Event time that the sensor has reached. */
let sensorAt = Number.NEGATIVE_INFINITY;

const channel = new Channel(process as unknown as Port, {
  onMessage: take,
  onRequest: async (command) => {
    // Without a gateway commands are recorded ones: what was read before them counts, and nobody waits for the answer.
    if (!settings.gateway) await channel.handled;
    return judge(command);
  },
});

/** The moment of judgement: whoever asks can't make it earlier by dating a command back. */
function now(command: Command): number {
  return Math.max(command.at, settings.eventClock ? at : Date.now() * 1000);
}

function judge(command: Command): Verdict {
  const started = performance.now();
  asked.set(command.id, command);
  if (asked.size > 10_000) asked.delete(asked.keys().next().value!);
  const hold = (text: string) => ({ decision: 'hold' as const, reasons: [text], leansOn: [], harm: [] });
  const verdict = decideRecorded(command, () => {
    if (storeTrouble !== '') return hold(`What is found can't be kept now, so nothing is decided: ${storeTrouble}`);
    if (isWatched && sensorAt < now(command) - SENSOR_LAG_MICROS)
      return hold(
        `The sensor is not there or behind${sensorAt > 0 ? `, at ${isoTime(sensorAt)}` : ''}: what happens on the networks is not known, so trust can't be counted on.`,
      );
    return hub.judge(command);
  });
  const timed = { ...verdict, decidedInMicros: Math.round((performance.now() - started) * 1000) };
  page.preview(command, timed);
  return timed;
}

async function take(message: BusMessage): Promise<void> {
  switch (message.kind) {
    case 'findings':
      for (const f of message.findings) {
        hub.claim(f);
        if (evidence !== undefined) for (const row of evidenceRows(f)) evidence.add(row);
      }
      offer(message.findings);
      keepSafe((s) => s.saveFindings(message.findings));
      page.findings(message.findings);
      tellIncidents();
      break;
    case 'readings':
      hub.read(message.readings.filter((r): r is Reading => r.kind === 'reading'));
      for (const r of message.readings) if (r.at > at) at = r.at;
      estimateWhenDue();
      break;
    case 'verdicts':
      for (const v of message.verdicts) {
        hub.verdicts.push(v);
        if (hub.verdicts.length > VERDICTS_MAX) hub.verdicts.shift();
        const command = asked.get(v.command);
        if (v.decision === 'pass' && command !== undefined) hub.passed(command);
        asked.delete(v.command);
      }
      keepSafe((s) => s.saveVerdicts(message.verdicts));
      page.verdicts(message.verdicts);
      break;
    case 'passed':
      for (const command of message.commands) hub.passed(command);
      break;
    case 'actions':
      keepSafe((s) => s.saveActions(message.actions));
      break;
    case 'holds':
      page.holds(message.holds);
      break;
    case 'answered':
      page.answered(message.hold, message.done, message.text);
      break;
    case 'advance':
      sensorAt = message.at;
      if (message.at > at) at = message.at;
      estimateWhenDue();
      page.advance(at);
      await checkpointWhenDue(false);
      break;
    case 'checkpointed':
      await keep(message);
      break;
    case 'coverage':
      page.coverage(message.coverage);
      break;
    case 'outcome':
      page.outcome(message);
      break;
    case 'health':
      if (message.process === 'sensor') sensorAt = Number.NEGATIVE_INFINITY;
      break;
    case 'end':
      sensorAt = Number.POSITIVE_INFINITY;
      endAt = message.at;
      page.ended(message.at);
      keepSafe((s) => s.saveTrust(hub.trust.records(message.at)));
      if (store === undefined) await channel.send({ kind: 'end', at: message.at });
      else await checkpointWhenDue(true);
      break;
    default:
      break;
  }
}

/** A ledger that can't be written refuses nothing: it is said, and the finding is offered again with its next sight. */
function offer(findings: readonly Finding[]): void {
  try {
    response?.offer(findings);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    say(`${error.message} Nothing can be refused until it can be written.`);
  }
}

function tellIncidents(): void {
  const changed = hub.incidents.changed();
  const trust = hub.trustChanges(at);
  if (changed.length > 0) {
    const now = new Set(hub.allIncidents().map((i) => i.id));
    const gone = [...incidentsKept].filter((id) => !now.has(id));
    incidentsKept = now;
    keepSafe((s) => s.saveIncidents(changed, gone));
    page.incidents(changed);
    void channel.send({ kind: 'incidents', incidents: changed }).catch(() => {});
  }
  if (trust.length > 0) {
    keepSafe((s) => s.saveTrust(trust));
    page.trust(trust);
  }
}

let warm = false;
/** The first commands must not pay for compiling the judge: it is asked a few times for nothing. */
function warmUp(): void {
  warm = true;
  const origin = { file: '', placed: 'line' } as const;
  for (let row = 1; row <= 24; row++)
    hub.judge({
      kind: 'command',
      id: '',
      at,
      requester: '',
      target: `power/branch/${row}`,
      action: 'open',
      value: undefined,
      deadline: 0,
      reason: '',
      nonce: '',
      origin,
      place: 0,
    });
}

function estimateWhenDue(): void {
  if (at - estimatedAt < ESTIMATE_MICROS) return;
  estimatedAt = at;
  for (const state of hub.estimate(at)) {
    page.state(state);
    if (!warm && state.status === 'solved') warmUp();
  }
}

async function checkpointWhenDue(now: boolean): Promise<void> {
  if (store === undefined) return;
  const millis = performance.now();
  if (!now && millis - askedMillis < ANSWER_MILLIS) return;
  if (!now && (at - checkpointAt < CHECKPOINT_MICROS || millis - checkpointMillis < CHECKPOINT_MILLIS_MIN)) return;
  askedMillis = millis;
  checkpointAt = at;
  checkpointMillis = millis;
  await channel.send({ kind: 'checkpoint', at });
}

async function keep(message: Extract<BusMessage, { kind: 'checkpointed' }>): Promise<void> {
  if (store === undefined) return;
  try {
    await evidence?.flush().catch((error: unknown) => {
      if (!(error instanceof StoreError)) throw error;
      if (storeTrouble === '') say(`${error.message} Commands are held until it can be written.`);
      storeTrouble = error.message;
    });
    keepSafe((s) =>
      s.checkpoint({
        at: message.at,
        sources: message.sources,
        detectors: [
          ...message.detectors,
          { name: 'hub/trust', state: hub.trust.snapshot() },
          { name: 'hub/incidents', state: hub.incidents.snapshot() },
        ],
        trust: hub.trustChanges(at),
        incidents: hub.incidents.changed(),
      }),
    );
  } finally {
    askedMillis = Number.NEGATIVE_INFINITY;
  }
  if (endAt !== undefined && message.sources.some((s) => s.file === 'end'))
    await channel.send({ kind: 'end', at: endAt });
}

process.on('SIGTERM', () => {
  void (async () => {
    await response?.close().catch(() => {});
    await evidence?.close().catch(() => {});
    store?.close();
    process.exit(0);
  })();
});

await response?.start();
if (settings.consolePort >= 0) await page.listen(settings.consolePort);
// The sensor starts where this state stands.
await channel.send({
  kind: 'checkpointed',
  at,
  sources: saved?.sources ?? [],
  detectors: (saved?.detectors ?? []).filter((d) => !d.name.startsWith('hub/')),
});
await channel.send({
  kind: 'health',
  process: 'hub',
  at,
  shed: hub.shed,
  rssBytes: process.memoryUsage().rss,
  text: page.url,
});
