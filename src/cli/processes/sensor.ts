// The sensor: reads input at its pace, decodes and detects, and tells the hub. It has no state of its own on disk: the hub's
// checkpoints carry its detectors' snapshots and how many turns of the feed they stand for. After a restart recorded input is
// decoded again up to that turn with detectors muted, so that decoders stand where they stood; then detectors go on.
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BusMessage, Channel, type Port } from '#bus';
import { loadCity } from '#city';
import type { Command, EventBatch, Position, Reading } from '#events';
import type { Coverage, Finding } from '#findings';
import { Engine, Feed, listInputs, MqttSource, openDnstap, openLive, openNetflow, type Source } from '#pipeline';
import { endInWords, endWithParent, isLiveInput, RECORDED_MILLIS, settingsFromArgv } from './settings.ts';

/** How often findings that grew are sent again, in turns of the feed. */
const TELL_TURNS = 64;
/** How far recorded input may run ahead of the inputs that others play, microseconds of event time. */
const AHEAD_MICROS = 10e6;
/** How often what could not be seen is told while inputs are live. */
const COVERAGE_MILLIS = 10_000;
/** A second of a full gigabit, in the capturing child: a garbage collection or a checkpoint must not cost packets. */
const BUFFER_KIB = 128 * 1024;
/** How often live inputs tell what was found and how far they are: a finding grows with every batch of a busy interface. */
const TELL_MILLIS = 20;
/** How often a sensor that hears nothing says so. */
const IDLE_MILLIS = 1000;

endInWords('sensor');
const settings = settingsFromArgv();
const city = settings.city === '' ? loadCity() : loadCity(settings.city);
endWithParent(1000);

const claimed = new Map<string, Finding>();
let slow: (Reading | Position)[] = [];
const commands: Command[] = [];
let muted = false;
/** Turns of the feed of recorded input; a turn is whole when its time-outs were given. */
let turns = 0;
/** In the middle of a turn a snapshot would hold rows that its position does not count. */
let isReplaying = false;
let isEnded = false;
let checkpointAsked = false;
let toldAt = Number.NEGATIVE_INFINITY;
/** Which recorded inputs the turns are of: a store that has seen others does not skip into these. */
let recordedName = '';
let started = 0;
let startedAt = 0;
/** Event time that the other inputs of a replay have reached; Infinity where there are none. */
let others = settings.eventClock ? 0 : Number.POSITIVE_INFINITY;

const engine = new Engine({
  city,
  planes: settings.planes.length === 0 ? undefined : new Set(settings.planes),
  evidenceAll: false,
  claim: (finding) => void claimed.set(finding.id, finding),
  records: (batch: EventBatch) => {
    if (muted) return;
    if (batch.kind === 'reading' || batch.kind === 'position') slow.push(...batch.records);
    else if (batch.kind === 'command') commands.push(...batch.records);
  },
});

/** In a checkpoint's sources: the input was at its end, and what the end brought is in the states. */
const END = 'end';
let resume: Extract<BusMessage, { kind: 'checkpointed' }> | undefined;
let begin: () => void = () => {};
const begun = new Promise<void>((resolve) => {
  begin = resolve;
});

const channel = new Channel(process as unknown as Port, {
  onMessage: (message: BusMessage) => {
    // Whoever plays the other inputs says how far they are: recorded input does not run ahead of them.
    if (message.kind === 'advance') others = message.at;
    // The hub's first word: where to go on from (turn 0 for a fresh start).
    if (message.kind === 'checkpointed') {
      resume ??= message;
      begin();
    } else if (message.kind === 'checkpoint') {
      if (isReplaying) checkpointAsked = true;
      else return answerCheckpoint();
    }
    return undefined;
  },
});

/** The states as they are, after all that they have claimed: restored, they would not claim it again. */
async function answerCheckpoint(): Promise<void> {
  checkpointAsked = false;
  const answer = {
    kind: 'checkpointed',
    at: engine.at,
    sources: [
      ...(recordedName === '' ? [] : [{ file: recordedName, position: turns }]),
      ...(isEnded ? [{ file: END, position: 1 }] : []),
    ],
    detectors: engine.snapshot(),
  } as const;
  await tellFindings();
  await channel.send(answer);
}

async function tellFindings(): Promise<void> {
  if (claimed.size === 0) return;
  const findings = [...claimed.values()];
  claimed.clear();
  await channel.send({ kind: 'findings', findings });
}

async function tell(at: number): Promise<void> {
  await tellFindings();
  if (slow.length > 0) {
    const readings = slow;
    slow = [];
    for (let i = 0; i < readings.length; i += 4096)
      await channel.send({ kind: 'readings', readings: readings.slice(i, i + 4096) });
  }
  // Recorded commands are judged as they would have been; a live one comes by the gateway.
  for (const command of commands.splice(0)) {
    // A request goes past waiting messages; here it must not: what was read before the command counts for it.
    while (channel.outstanding > 0 && !channel.isClosed) await sleep(1);
    const verdict = await channel.request(command, RECORDED_MILLIS);
    if (verdict.kind === 'verdict') await channel.send({ kind: 'verdicts', verdicts: [verdict] });
  }
  if (at <= toldAt || at === Number.POSITIVE_INFINITY) return;
  toldAt = at;
  await channel.send({ kind: 'advance', at });
}

/** Between two turns: tells what there is, and answers for a checkpoint that was asked for. */
async function rest(): Promise<void> {
  await tell(engine.at);
  if (checkpointAsked) await answerCheckpoint();
}

/** Waits until event time `at` is due at the pace asked for. */
async function pace(at: number): Promise<void> {
  if (settings.eventClock) {
    while (at !== Number.POSITIVE_INFINITY && at > others + AHEAD_MICROS) {
      await rest();
      await sleep(5);
    }
    return;
  }
  if (settings.speed === 0 || at === Number.POSITIVE_INFINITY || at < settings.fastUntil) return;
  if (started === 0) {
    started = performance.now();
    startedAt = settings.fastUntil > 0 ? settings.fastUntil : at;
  }
  const due = started + (at - startedAt) / 1000 / settings.speed;
  for (let wait = due - performance.now(); wait > 5; wait = due - performance.now()) {
    await rest();
    await sleep(Math.min(wait, 100));
  }
}

/** What live inputs lost, as their drivers and queues count it. */
const losses: (() => Coverage | undefined)[] = [];

function lossOf(what: string, text: string, count: () => number): void {
  losses.push(() => {
    const lost = count();
    return lost === 0 ? undefined : { kind: 'coverage', plane: 'all', what, count: lost, text };
  });
}

async function tellCoverage(): Promise<void> {
  const lost = losses.map((l) => l()).filter((c) => c !== undefined);
  for (const c of lost) engine.coverage.set(`${c.plane}\u0000${c.what}`, c);
  if (engine.coverage.size > 0) await channel.send({ kind: 'coverage', coverage: [...engine.coverage.values()] });
}

/** Live inputs that wait for bytes. */
let idle = 0;

/** Where all live inputs are quiet the hub must know that the sensor is not behind: nothing is what there was. */
async function tellIdle(inputs: number): Promise<void> {
  if (idle === inputs && !channel.isClosed)
    await channel.send({ kind: 'advance', at: Date.now() * 1000 }).catch(() => {});
}

let isTelling = false;

async function tellLive(): Promise<void> {
  if (isTelling || isReplaying || channel.isClosed) return;
  isTelling = true;
  await tell(engine.at).finally(() => (isTelling = false));
}

/** Live inputs run side by side, each at the pace of its packets or messages. */
async function live(source: Source): Promise<void> {
  for (;;) {
    idle += 1;
    await source.peekAt();
    idle -= 1;
    const more = await source.pull(Number.POSITIVE_INFINITY, engine);
    engine.advance(engine.seenAt);
    if (!more || commands.length > 0 || slow.length > 0) await tell(engine.at);
    if (!more) return;
  }
}

async function openLiveInput(input: string): Promise<Source> {
  if (input.startsWith('live:')) {
    const source = await openLive({ interface: input.slice(5), bufferKib: BUFFER_KIB });
    lossOf(
      input,
      `packets of ${input} were dropped before they could be read`,
      () => Math.max(0, source.loss.droppedByKernel) + Math.max(0, source.loss.droppedByInterface),
    );
    return source;
  }
  if (input.startsWith('dnstap:')) {
    const at = input.slice(7);
    const source = await openDnstap(at.startsWith('unix:') ? { unix: at.slice(5) } : { tcp: at.replace(/^tcp:/, '') });
    lossOf(
      input,
      `messages of ${input} were dropped because they came faster than they were read`,
      () => source.loss.shed,
    );
    return source;
  }
  if (input.startsWith('netflow:')) {
    const source = await openNetflow({ udp: input.slice(8) });
    lossOf(
      input,
      `datagrams of ${input} were dropped because they came faster than they were read`,
      () => source.loss.shed,
    );
    return source;
  }
  const power = city.file.twins?.power;
  return new MqttSource({ url: input, readings: power?.readings ?? '', commands: power?.commands ?? '' });
}

async function main(): Promise<void> {
  await begun;
  const recorded = settings.inputs.filter((i) => !isLiveInput(i));
  const feed = recorded.length > 0 ? await resumed(recorded) : undefined;
  if (feed === undefined) engine.restore(resume!.detectors);
  const lives = settings.inputs.filter(isLiveInput).map(async (input) => {
    const source = await openLiveInput(input);
    await channel.send({ kind: 'opened', input });
    await live(source);
  });
  if (recorded.length === 0) setInterval(() => void tellIdle(lives.length), IDLE_MILLIS).unref();
  if (lives.length > 0) setInterval(() => void tellLive(), TELL_MILLIS).unref();
  if (lives.length > 0) setInterval(() => void tellCoverage().catch(() => {}), COVERAGE_MILLIS).unref();
  if (feed !== undefined) await replay(feed);
  await Promise.all(lives);
  if (!isEnded) engine.end();
  isEnded = true;
  await tell(engine.at);
  await tellCoverage();
  await channel.send({ kind: 'faults', faults: engine.faults.list() });
  await channel.send({ kind: 'end', at: engine.at });
}

/** Recorded input at the turn of the checkpoint, with decoders as they stood there and detectors restored. */
async function resumed(paths: readonly string[]): Promise<Feed> {
  const inputs = listInputs(paths);
  recordedName = inputs.map((path) => resolve(path)).join('\n');
  const feed = new Feed(inputs, engine.faults, inputs.length !== paths.length);
  isReplaying = true;
  const upTo = resume!.sources.find((s) => s.file === recordedName)?.position ?? 0;
  muted = true;
  engine.mute = true;
  while (turns < upTo) {
    const watermark = await feed.next(engine);
    if (watermark === undefined) break;
    turns += 1;
    engine.advance(watermark);
  }
  if (upTo > 0 && resume!.sources.some((s) => s.file === END)) {
    engine.end();
    isEnded = true;
  }
  engine.restore(resume!.detectors);
  engine.mute = false;
  muted = false;
  return feed;
}

async function replay(feed: Feed): Promise<void> {
  let sentAt = 0;
  for (let watermark = await feed.next(engine); watermark !== undefined; watermark = await feed.next(engine)) {
    turns += 1;
    engine.advance(watermark);
    const now = performance.now();
    if (
      turns % TELL_TURNS === 0 ||
      commands.length > 0 ||
      slow.length > 1024 ||
      now - sentAt > 100 ||
      checkpointAsked
    ) {
      sentAt = now;
      await rest();
    }
    await pace(watermark);
  }
  feed.close();
  isReplaying = false;
  await rest();
}

await main();
