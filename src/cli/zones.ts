// parapet zones check|suggest|emit
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { City } from '#city';
import type { EventBatch } from '#events';
import { type Coverage, type Fault, isoTime, toJsonLine } from '#findings';
import { Engine, Feed, listInputs } from '#pipeline';
import { Kernel } from '#response/nft';
import {
  type Broken,
  brokenBy,
  Conversations,
  ciliumPolicies,
  conduitPolicy,
  type Drift,
  driftOf,
  groupText,
  listing,
  type ManifestFile,
  networkPolicies,
  nftables,
  reach,
  type SuggestedRule,
  type Suggestion,
  serviceName,
  suggest,
  yamlStream,
} from '#zones';
import {
  type Common,
  cityOf,
  ExitCode,
  options,
  painter,
  printable,
  type Style,
  UsageError,
  write,
} from './options.ts';

export const zonesHelp = `parapet zones check PATH... | suggest PATH... | emit [PATH...]

Segmentation by the zones and conduits of city.yaml. PATH are captures, logs and flow records, as for analyze.

  check             drift: flows no conduit allows, conduits nobody used, addresses of ours in no zone; answered flows are told
                    apart from tries. With --kubernetes also who may reach whom by the policies there
  suggest           the smallest rules by zone and role that cover what was seen and answered, each with its conduit, and what
                    city.yaml and the suggestion would have broken
  emit              a policy as files: nothing is loaded anywhere. Without PATH the conduits of city.yaml, with PATH the suggestion

  --kubernetes PATH   manifests (a file or folder): NetworkPolicy, AdminNetworkPolicy, BaselineAdminNetworkPolicy and workloads
  --target TARGET     emit: nft (default), kubernetes, cilium
  --mode MODE         emit nft: audit (default: logs and counts, lets pass) or enforce (drops)
  --namespace NAME    emit kubernetes, cilium: where the pods live (default: default)
  --pods LIST         emit kubernetes, cilium: zones whose members are pods, parted by commas (default: all but the outside)
  --out FILE          emit: write there in one step instead of printing
  --city FILE, --format text|ndjson, --quiet, --no-color

Exit status: 0 done; 2 wrong use; 3 done, but part of the input could not be read, or nft would not take the file.

Examples:
  parapet zones check capture.pcap
  parapet zones suggest --city city.yaml logs/
  parapet zones emit --mode audit --out zones.nft && nft -f zones.nft`;

const own = {
  kubernetes: { type: 'string' },
  target: { type: 'string' },
  mode: { type: 'string' },
  namespace: { type: 'string' },
  pods: { type: 'string' },
  out: { type: 'string' },
} as const;

type Paint = (style: Style, text: string) => string;

export async function zones(args: string[]): Promise<number> {
  const o = options(args, own, ['text', 'ndjson']);
  if (o.help) {
    console.log(zonesHelp);
    return ExitCode.Done;
  }
  const [what, ...paths] = o.positionals;
  if (what !== 'check' && what !== 'suggest' && what !== 'emit')
    throw new UsageError('zones takes check, suggest or emit. See parapet zones --help.');
  const kubernetes = o.values.kubernetes as string | undefined;
  if (paths.length === 0 && what !== 'emit' && !(what === 'check' && kubernetes !== undefined))
    throw new UsageError(`zones ${what} needs a file or folder ("-" is standard input). See parapet zones --help.`);
  const city = cityOf(o.values);
  if (what === 'check') return check(o, city, paths, kubernetes);
  if (what === 'suggest') return suggestVerb(o, city, paths);
  return emit(o, city, paths);
}

/** The sensor with its detectors at rest: only the flows that it makes are wanted. */
class FlowTap extends Engine {
  readonly #conversations: Conversations;
  constructor(city: City, conversations: Conversations) {
    super({ city, planes: new Set(['flow']), evidenceAll: false, claim: () => {} });
    this.#conversations = conversations;
    this.mute = true;
  }
  override emit(batch: EventBatch): void {
    // Before the sensor: it may spoil what it lent.
    this.#conversations.observe(batch);
    super.emit(batch);
  }
}

interface Seen {
  readonly conversations: Conversations;
  readonly faults: readonly Fault[];
  readonly coverage: readonly Coverage[];
}

async function read(city: City, paths: readonly string[]): Promise<Seen> {
  const conversations = new Conversations();
  const engine = new FlowTap(city, conversations);
  const inputs = listInputs(paths);
  const feed = new Feed(inputs, engine.faults, inputs.length !== paths.length || inputs.some((p, i) => p !== paths[i]));
  try {
    for (let to = await feed.next(engine); to !== undefined; to = await feed.next(engine)) engine.advance(to);
    engine.end();
  } finally {
    feed.close();
  }
  const coverage: Coverage[] = [...engine.coverage.values()];
  const add = (name: string, count: number, text: string): void => {
    if (count > 0) coverage.push({ kind: 'coverage', plane: 'flow', what: name, count, text });
  };
  add(
    'flows-to-groups',
    conversations.toGroups,
    `${conversations.toGroups} flows to broadcast and multicast addresses are not judged: no conduit speaks of them.`,
  );
  add(
    'conversations-shed',
    conversations.shed,
    `${conversations.shed} pairs gave way at the capacity: the least active ones are not told.`,
  );
  return { conversations, faults: engine.faults.list(), coverage };
}

async function check(o: Common, city: City, paths: readonly string[], kubernetes: string | undefined): Promise<number> {
  const paint = painter(o.values);
  let faults: readonly Fault[] = [];
  if (kubernetes !== undefined) {
    const answer = reach(manifestsAt(kubernetes));
    faults = answer.faults;
    if (o.format === 'text')
      await write(`${paint('strong', 'Who may reach whom in Kubernetes')}\n${printable(listing(answer))}\n`);
    else
      for (const n of answer.networks)
        for (const c of n.connections)
          await write(
            `${toJsonLine({ kind: 'reach', network: n.name, from: c.from, to: c.to, ports: c.ports.text() })}\n`,
          );
  }
  let coverage: readonly Coverage[] = [];
  if (paths.length > 0) {
    const seen = await read(city, paths);
    const report = driftOf(city, seen.conversations.list());
    faults = [...faults, ...seen.faults];
    coverage = seen.coverage;
    const { drifts, unread, allowed, strayed } = report;
    const summary = {
      kind: 'summary',
      plane: 'flow',
      drifts: drifts.length,
      conversations: seen.conversations.count,
      allowedFlows: allowed.flows,
      allowedAnswered: allowed.answered,
      strayedAnswered: strayed,
    };
    if (o.format === 'text') {
      for (const d of drifts) await write(driftText(d, paint));
      for (const u of unread) await write(`${paint('warn', 'city.yaml')} ${printable(u)}.\n`);
      const head =
        drifts.length === 0
          ? paint('good', 'No drift.')
          : `${drifts.length} ${drifts.length === 1 ? 'drift' : 'drifts'}, ${strayed} answered ${strayed === 1 ? 'flow' : 'flows'} that no conduit allows.`;
      await write(
        `${head} ${allowed.answered} answered flows are allowed, ${allowed.unanswered} allowed tries were not answered.\n`,
      );
      if (city.conduits.length === 0)
        await write(
          'city.yaml has no conduits, so nothing between zones is allowed; parapet zones suggest drafts them.\n',
        );
    } else {
      for (const d of drifts) await write(`${toJsonLine(timed(d))}\n`);
      for (const text of unread) await write(`${toJsonLine({ kind: 'drift', what: 'unread-conduit', text })}\n`);
      await write(`${toJsonLine(summary)}\n`);
    }
  }
  return tail(o, faults, coverage, paint);
}

async function suggestVerb(o: Common, city: City, paths: readonly string[]): Promise<number> {
  const paint = painter(o.values);
  const seen = await read(city, paths);
  const list = seen.conversations.list();
  const suggestion = suggest(city, list);
  const broken = [...brokenBy(city, conduitPolicy(city).policy, list), ...brokenBy(city, suggestion.policy, list)];
  if (o.format === 'text') {
    await write(suggestionText(city, suggestion, paint));
    for (const b of broken) await write(brokenText(b, paint));
    if (broken.length === 0) await write('Neither city.yaml nor the suggestion would have stopped an answered flow.\n');
  } else {
    for (const r of suggestion.policy.rules) await write(`${toJsonLine(timed(ruleRecord(city, r)))}\n`);
    for (const s of suggestion.scanners) await write(`${toJsonLine({ kind: 'scanner', ...s })}\n`);
    for (const b of broken) await write(`${toJsonLine(timed(b))}\n`);
    await write(
      `${toJsonLine({ kind: 'summary', plane: 'flow', rules: suggestion.policy.rules.length, uncovered: suggestion.left.length, spanSeconds: Math.round(suggestion.spanMicros / 1e6), isWholeCycle: suggestion.isWholeCycle })}\n`,
    );
  }
  return tail(o, seen.faults, seen.coverage, paint);
}

async function emit(o: Common, city: City, paths: readonly string[]): Promise<number> {
  const target = (o.values.target as string | undefined) ?? 'nft';
  const mode = (o.values.mode as string | undefined) ?? 'audit';
  if (target !== 'nft' && target !== 'kubernetes' && target !== 'cilium')
    throw new UsageError('--target takes nft, kubernetes or cilium.');
  if (mode !== 'audit' && mode !== 'enforce') throw new UsageError('--mode takes audit or enforce.');
  const seen = paths.length === 0 ? undefined : await read(city, paths);
  const policy = seen === undefined ? conduitPolicy(city).policy : suggest(city, seen.conversations.list()).policy;
  let text: string;
  let isRefused = false;
  if (target === 'nft') {
    text = nftables(city, policy, { mode });
    const checked = new Kernel({ nft: ['nft'], conntrack: ['conntrack'] }).check(text);
    const isAbsent = /ENOENT|Operation not permitted/.test(checked.why);
    isRefused = !checked.ok && !isAbsent;
    if (isAbsent) console.error('parapet: not checked here: nft is not installed, or this user may not ask it.');
    if (isRefused) console.error(`parapet: nft would not take it: ${printable(checked.why)}`);
  } else {
    const podZones = (o.values.pods as string | undefined)?.split(',');
    const emitted = (target === 'kubernetes' ? networkPolicies : ciliumPolicies)(city, policy, {
      namespace: (o.values.namespace as string | undefined) ?? 'default',
      ...(podZones === undefined ? {} : { podZones }),
    });
    text = yamlStream(emitted.objects);
    for (const left of new Set(emitted.left)) console.error(`parapet: left out: ${printable(left)}`);
  }
  const out = o.values.out as string | undefined;
  // A file nft would not take is printed for looking at, and never put where it may be loaded.
  if (out === undefined) await write(text);
  else if (!isRefused) writeWhole(out, text);
  return isRefused || (seen?.faults.length ?? 0) > 0 ? ExitCode.PartUnread : ExitCode.Done;
}

/** Beside the file, then in its place: nobody ever loads half of it. */
function writeWhole(path: string, text: string): void {
  const beside = join(dirname(path), `.${randomBytes(6).toString('hex')}.tmp`);
  try {
    writeFileSync(beside, text, { mode: 0o640, flag: 'wx' });
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw new UsageError(`${path} can't be written: ${(error as Error).message}`);
  }
}

function manifestsAt(path: string): ManifestFile[] {
  try {
    const names = statSync(path).isDirectory()
      ? readdirSync(path, { recursive: true, encoding: 'utf8' })
          .filter((n) => /\.(ya?ml|json)$/.test(n))
          .sort()
          .map((n) => join(path, n))
      : [path];
    return names.map((file) => ({ file, text: readFileSync(file, 'utf8') }));
  } catch (error) {
    throw new UsageError(`--kubernetes ${path} can't be read: ${(error as Error).message}`);
  }
}

async function tail(o: Common, faults: readonly Fault[], coverage: readonly Coverage[], paint: Paint): Promise<number> {
  if (o.format === 'text') {
    for (const c of coverage) await write(`${paint('quiet', 'Not seen:')} ${printable(c.text)}\n`);
    for (const f of faults)
      await write(`${paint('warn', f.code)} ${printable(f.file)}: ${printable(f.text)} Lost: ${f.lost} ${f.remedy}\n`);
  } else for (const record of [...coverage, ...faults]) await write(`${toJsonLine(record)}\n`);
  return faults.length > 0 ? ExitCode.PartUnread : ExitCode.Done;
}

/** Times as the contract writes them; a time that was never is left out. */
function timed(record: object): object {
  const out = { ...record } as Record<string, unknown>;
  for (const key of ['firstAt', 'lastAt']) if (out[key] === 0) delete out[key];
  return out;
}

function driftText(d: Drift, paint: Paint): string {
  const style: Style =
    d.what === 'no-conduit' && d.answered > 0 ? 'bad' : d.what === 'unused-conduit' ? 'quiet' : 'warn';
  const lines = [`${paint(style, d.what.replace('-', ' ').toUpperCase())} ${printable(d.text)}`];
  if ('firstAt' in d && d.firstAt > 0) lines.push(`  when      ${isoTime(d.firstAt)} to ${isoTime(d.lastAt)}`);
  if ('example' in d && d.example !== undefined) lines.push(exampleText(d.example));
  return `${lines.join('\n')}\n`;
}

function exampleText(e: NonNullable<Extract<Drift, { what: 'no-conduit' }>['example']>): string {
  const { file, frame, line } = e.evidence;
  const place = frame !== undefined ? ` frame ${frame}` : line !== undefined ? ` line ${line}` : '';
  return `  example   ${e.from} to ${e.to} by ${printable(e.service)}, ${printable(file)}${place}`;
}

function ruleRecord(city: City, r: SuggestedRule): object {
  return {
    kind: 'rule',
    conduit: r.conduit,
    isKnown: r.isKnown,
    from: groupText(r.from),
    to: groupText(r.to),
    services: r.services.map((s) => serviceName(city, s)),
    flows: r.flows,
    pairs: r.pairs,
    firstAt: r.firstAt,
    lastAt: r.lastAt,
    example: r.example,
    ...(r.wider === undefined ? {} : { wider: r.wider }),
  };
}

function suggestionText(city: City, s: Suggestion, paint: Paint): string {
  const lines: string[] = [];
  const days = (s.spanMicros / 86_400e6).toFixed(1);
  if (!s.isWholeCycle)
    lines.push(
      paint(
        'warn',
        `Seen: ${days} days. Less than two weeks leave out what happens weekly; keep it in audit until a whole cycle was seen.`,
      ),
    );
  for (const r of s.policy.rules) {
    const names = r.services.map((x) => serviceName(city, x)).join(', ');
    lines.push(
      `${paint('good', 'ALLOW')} ${printable(groupText(r.from))} to ${printable(groupText(r.to))}: ${printable(names)}`,
      `  conduit   ${printable(r.conduit)}${r.isKnown ? '' : ' (not in city.yaml yet)'}`,
      `  because   ${r.flows} answered flows, ${r.pairs} pairs of addresses and a service, ${isoTime(r.firstAt)} to ${isoTime(r.lastAt)}`,
      exampleText(r.example),
      ...(r.wider === undefined ? [] : [`  wider     ${r.wider}`]),
    );
  }
  for (const x of s.scanners)
    lines.push(
      `${paint('warn', 'LEFT OUT')} ${x.address} asked ${x.addresses} addresses on port ${x.port}, most without an answer: a scan opens nothing.`,
    );
  if (s.left.length > 0)
    lines.push(
      `${paint('warn', 'NOT COVERED')} ${s.left.length} answered pairs: an end in no zone, or a protocol no service names. They are among what the policy would have stopped.`,
    );
  if (s.policy.rules.length === 0) lines.push('No answered flow between zones was seen, so there is nothing to allow.');
  return `${lines.join('\n')}\n`;
}

function brokenText(b: Broken, paint: Paint): string {
  return `${paint('bad', 'WOULD BREAK')} ${printable(b.text)}\n  when      ${isoTime(b.firstAt)} to ${isoTime(b.lastAt)}\n${exampleText(b.example)}\n`;
}
