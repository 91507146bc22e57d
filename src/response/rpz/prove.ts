// Proof of an action at one resolver: the names it refuses are refused, an ordinary name is not, and the resolver's policy has
// our serial. Asked again with growing pauses, because consumers have their own floors: BIND's min-update-interval, the packet
// cache of PowerDNS.
import { setTimeout as pause } from 'node:timers/promises';
import type { Consumer } from '../config.ts';
import type { Stop } from '../contract.ts';
import { Type } from '../wire/index.ts';
import { appliedSerial, askConsumer, freshLabel, judge, probe, type Seen } from './probe.ts';
import { clientOf, type Rule } from './rule.ts';
import { serialIsLater } from './serial.ts';
import type { PolicyZone } from './zone.ts';

const FIRST_PAUSE_MS = 20;
const LAST_PAUSE_MS = 2_000;
/** Names asked for one action; the rest stand and fall with them. A passthru looks like no rule: nothing to ask. */
const NAMES_MAX = 4;

export interface ProofRun {
  readonly zone: PolicyZone;
  readonly rules: readonly Rule[];
  readonly wanted: boolean;
  readonly deadlineMs: number;
  /** A name of the city that must go on working; undefined where none is known. */
  readonly ordinary: string | undefined;
  readonly stop: Stop;
}
export interface ProofText {
  readonly enforced: boolean;
  readonly text: string;
}

export async function proveAt(consumer: Consumer, run: ProofRun): Promise<ProofText> {
  if (consumer.ask === undefined)
    return { enforced: false, text: `${consumer.name} was not asked: no address to ask is named` };
  const serial = run.zone.serial;
  const until = process.hrtime.bigint() + BigInt(run.deadlineMs) * 1_000_000n;
  let wait = FIRST_PAUSE_MS;
  for (;;) {
    const last = run.stop() || process.hrtime.bigint() >= until;
    // Until the serial is there, asking for the names would change nothing but fill caches with their old answers, and tell
    // the attacker's name server that someone looks.
    const applied = quarantined(consumer, run) ? undefined : await appliedSerial(consumer, run.zone);
    const current = applied !== undefined && !serialIsLater(serial, applied);
    if (current || last || quarantined(consumer, run)) {
      const proof = await once(consumer, run, serialText(applied, serial, consumer, run), current);
      if (proof.settled || last) return proof;
    }
    await pause(wait, undefined, { ref: false });
    wait = Math.min(wait * 1.5, LAST_PAUSE_MS);
  }
}

async function once(
  consumer: Consumer,
  run: ProofRun,
  serial: string,
  isCurrent: boolean,
): Promise<ProofText & { settled: boolean }> {
  const seen = await Promise.all(probes(consumer, run));
  const answered = seen.length > 0;
  const holds = answered && seen.every((s) => s.verdict === 'refused');
  // What policy refuses is answered at once. A name whose own servers are silent never gets a natural answer; there the serial
  // of the policy in force has to do.
  const gone = seen.every((s) => s.verdict === 'natural' || (isCurrent && s.verdict === 'unclear'));
  const details = seen.map((s) => s.text);
  const ordinary =
    run.ordinary === undefined || quarantined(consumer, run) ? undefined : await ordinaryName(consumer, run);
  if (ordinary !== undefined) details.push(`ordinary ${ordinary.text}`);
  details.push(serial);
  if (!answered)
    details.unshift(
      run.wanted ? 'only the client itself can see its quarantine; asked from elsewhere' : 'nothing left to ask for',
    );
  const well = ordinary === undefined || ordinary.verdict === 'natural';
  const enforced = holds && well;
  const settled = run.wanted ? enforced || !answered : gone && well;
  return { enforced, settled, text: details.join('; ') };
}

function probes(consumer: Consumer, run: ProofRun): Promise<Seen>[] {
  const list: Promise<Seen>[] = [];
  for (const { owner, outcome } of run.rules.filter((r) => r.outcome.kind !== 'passthru').slice(0, NAMES_MAX)) {
    if (clientOf(owner) !== undefined) {
      if (quarantined(consumer, run))
        list.push(probe(consumer, run.ordinary ?? `${freshLabel()}.${run.zone.marker}`, outcome, run.zone.name));
    } else {
      const name = owner.startsWith('*.') ? `${freshLabel()}.${owner.slice(2)}` : owner;
      list.push(probe(consumer, name.slice(0, 253), outcome, run.zone.name));
    }
  }
  return list;
}

/** Whether the address we ask from is the one that these rules shut out. */
function quarantined(consumer: Consumer, run: ProofRun): boolean {
  return run.rules.some((r) => clientOf(r.owner) !== undefined && clientOf(r.owner) === consumer.from);
}

async function ordinaryName(consumer: Consumer, run: ProofRun): Promise<Seen> {
  const name = run.ordinary!;
  const reply = await askConsumer(consumer, name, Type.A);
  const seen = judge(reply, name, { kind: 'nxdomain' }, run.zone.name);
  return seen.verdict === 'natural' ? judge(reply, name, { kind: 'nodata' }, run.zone.name) : seen;
}

function serialText(applied: number | undefined, serial: number, consumer: Consumer, run: ProofRun): string {
  if (quarantined(consumer, run)) return `asked from the quarantined address ${consumer.from}`;
  if (applied === undefined) return `no sign that ${run.zone.name} is in force there`;
  return serialIsLater(serial, applied)
    ? `it still applies serial ${applied} of ${serial}`
    : `it applies serial ${applied}`;
}
