// One scenario: worlds and attackers on one clock of five-minute windows, each writer flushed window by window.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { seededRandom } from '#lib/random';
import { commandOverDns, exfiltrateModel } from './attackers/dns.ts';
import { chooseHarm, FalseLoad } from './attackers/false-load.ts';
import { sellProxies, stepAcross } from './attackers/flow.ts';
import { attackSignalling } from './attackers/signalling.ts';
import { resetIdentification } from './encode/ethernet.ts';
import { PcapWriter } from './encode/pcap.ts';
import { seedCiphertext } from './encode/tls.ts';
import { TruthLog } from './truth.ts';
import { cityText } from './worlds/cityfile.ts';
import { Commands } from './worlds/commands.ts';
import { cascade } from './worlds/dc.ts';
import { matpowerText } from './worlds/grid.ts';
import { makeNames } from './worlds/names.ts';
import { Net } from './worlds/net.ts';
import { makePlan } from './worlds/plan.ts';
import { PowerWorld } from './worlds/power.ts';
import { Readings, scanMicros } from './worlds/readings.ts';
import { Signalling, SignallingLinks } from './worlds/signalling.ts';
import { Traffic } from './worlds/traffic.ts';
import { NdjsonWriter } from './writer.ts';

export interface RangeOptions {
  readonly seed: number;
  readonly out: string;
  /** Days before the attack; 2 by default. */
  readonly quietDays?: number;
  /** Cellular smart meters; 2,000 by default, at least one a load bus whatever is asked. */
  readonly meters?: number;
  readonly attack?: boolean;
  /** DNS scenarios only: clients, days, public names (most popular first), names that a sleeper asks, logs beside the capture. */
  readonly clients?: number;
  readonly days?: number;
  readonly names?: readonly string[];
  readonly sleeperNames?: readonly string[];
  readonly logs?: 'all' | readonly string[];
}
export interface RangeSummary {
  readonly scenario: string;
  readonly seed: number;
  readonly from: number;
  readonly attackAt: number;
  readonly until: number;
  readonly meters: number;
  readonly honestCommands: number;
  readonly harmfulCommands: number;
  readonly surge: number;
  /** Share of load lost by each harmful command alone on the true grid. */
  readonly lostShare: readonly number[];
  readonly truthSteps: number;
  /** Innocent things that look bad: a meter that reports zeros, a host whose antivirus asks thirty times as often. */
  readonly decoys: { readonly faultyMeter: string; readonly noisyHost: string };
  readonly files: Readonly<Record<string, { bytes: number; items: number }>>;
}

const minute = 60e6;
/** The attack begins on a working Wednesday so that its commands meet the evening peak. */
const attackAt = Date.UTC(2026, 2, 4, 16, 45) * 1000;
const attackMicros = 95 * minute;
/** Least share of load that each harmful command must darken by itself. */
const lossMin = 0.15;

export function runBlackout(options: RangeOptions): RangeSummary {
  const meters = options.meters ?? 2000;
  const quiet = options.quietDays ?? 2;
  const attack = options.attack ?? true;
  const random = seededRandom(options.seed);
  const startAt = attackAt - Math.round((quiet * 86_400e6) / scanMicros) * scanMicros;
  const until = attackAt + attackMicros;
  mkdirSync(options.out, { recursive: true });
  resetIdentification();
  seedCiphertext(random.split('ciphertext'));
  const file = (name: string): string => join(options.out, name);

  const power = new PowerWorld(random.split('power'), startAt);
  const plan = makePlan(random.split('plan'), power.grid, meters);
  const names = makeNames(random.split('names'));
  writeFileSync(file('grid.m'), matpowerText(power.grid, power.dispatch));
  const city = cityText(plan, power.grid);
  writeFileSync(file('city.yaml'), city);

  const network = new PcapWriter(file('network.pcap'));
  const signallingFile = new PcapWriter(file('signalling.pcap'));
  const readingsFile = new NdjsonWriter(file('readings.ndjson'));
  const commandsFile = new NdjsonWriter(file('commands.ndjson'));
  const statesFile = new NdjsonWriter(file('true-state.ndjson'));
  const truthFile = new NdjsonWriter(file('truth.ndjson'));
  const truth = new TruthLog();
  const campaign = 'blackout';

  const net = new Net(random.split('net'), (at, b, onFrame) => network.add(at, b, onFrame), plan.at.resolver);
  const traffic = new Traffic(random.split('traffic'), net, plan, names, attackAt);
  const links = new SignallingLinks(random.split('links'), (at, b, f) => signallingFile.add(at, b, f), startAt);
  const signalling = new Signalling(random.split('signalling'), links, plan, attackAt);
  const lieFrom = attackAt + 35 * minute;
  const lie = attack ? new FalseLoad(power, lieFrom, attackAt + 60 * minute) : undefined;
  lie?.arm();
  const harmAt = [75, 79, 83].map((m) => attackAt + m * minute + 11e6);
  const readings = new Readings(random.split('readings'), power, plan, lie, readingsFile);
  const commands = new Commands(random.split('commands'), power, commandsFile, statesFile);

  let harm: readonly number[] = [];
  // Attack bytes of network and signalling are laid down when their window comes.
  const launch = (): void => {
    if (lie === undefined) return;
    harm = chooseHarm(power, lie, harmAt, lossMin + 0.03).rows;
    const liars = [...plan.rtus.filter((r) => r.cellular), ...plan.meters.filter((m) => m.inDistrict)].map((a) => a.id);
    const tale = { at: lieFrom, until, plane: 'power', what: 'false-load', assets: liars, campaign } as const;
    readings.onLie = truth.begin(tale, 'readings.ndjson');
    const place = (name: string) => ({ random: random.split(`attack ${name}`), net, plan, truth, campaign });
    const drawn = random.split('victims');
    const office = drawn.pick(plan.offices.filter((h) => h !== traffic.noisyHost));
    const inDistrict = plan.meters.filter((m) => m.inDistrict);
    const others = drawn.shuffled(plan.meters.filter((m) => !m.inDistrict));
    // Every meter that will lie is hijacked, and some elsewhere; together at least 31 % of all.
    const hijackedCount = Math.max(Math.ceil(plan.meters.length * 0.31), Math.ceil(inDistrict.length * 1.05));
    const hijacked = [...inDistrict, ...others].slice(0, hijackedCount);
    const cameras = drawn.shuffled(plan.cameras).slice(0, 12);
    commandOverDns(place('command'), attackAt, until - 5 * minute, [
      office,
      ...hijacked.slice(0, 40),
      ...cameras.slice(0, 4),
    ]);
    sellProxies(place('proxies'), names, attackAt + 8 * minute, until - 4 * minute, [...hijacked, ...cameras]);
    attackSignalling(random.split('attack signalling'), links, plan, attackAt + 14 * minute, truth, campaign);
    stepAcross(place('step'), attackAt + 28 * minute, attackAt + 40 * minute, office);
    exfiltrateModel(
      place('exfiltration'),
      attackAt + 42 * minute,
      attackAt + 68 * minute,
      drawn.integer(50_000, 80_000),
    );
  };

  // Honest commands: one each 50 minutes in quiet days, each eight minutes during the attack.
  const schedule = random.split('command times');
  let nextHonest = startAt + schedule.integer(2, 9) * minute;
  const lostShare: number[] = [];
  let honest = 0;

  for (let from = startAt; from < until; from += scanMicros) {
    const end = from + scanMicros;
    const state = power.stateAt(from);
    readings.scan(state, end);
    if (from >= attackAt) commands.note(state);
    traffic.window(from, end);
    signalling.window(from, end);
    if (from === attackAt) launch();
    const inside = (at: number): boolean => at >= from && at < end;
    const due = harmAt.map((at, i) => ({ at, row: harm[i] })).filter((h) => inside(h.at) && h.row !== undefined);
    while (inside(nextHonest) && nextHonest < until) {
      if (!due.some((h) => Math.abs(h.at - nextHonest) < minute)) {
        // Nothing is opened in the last hours before the peak, so that the attack meets a whole grid.
        commands.honest(nextHonest, nextHonest < attackAt - 100 * minute);
        honest += 1;
      }
      const gap = nextHonest < attackAt ? schedule.integer(40, 60) : schedule.integer(6, 10);
      nextHonest += gap * minute + schedule.integer(0, 59) * 1e6;
      if (nextHonest - gap * minute < attackAt && nextHonest > attackAt + 10 * minute)
        nextHonest = attackAt + 3 * minute;
    }
    for (const { at, row } of due) {
      const meets = power.stateAt(at);
      const after = meets.closed.slice();
      after[row! - 1] = 0;
      const lost = cascade(power.grid, after, meets.loads, meets.units).lostShare;
      lostShare.push(lost);
      const assets = [...plan.rtus.filter((r) => r.cellular).map((r) => r.id), 'engineering-01'];
      const step = {
        at,
        until: at,
        plane: 'gateway',
        what: 'malicious-reconfiguration',
        assets,
        campaign,
        harmful: lost >= lossMin,
      } as const;
      const mark = truth.begin(step, 'commands.ndjson');
      const reason = 'lightly loaded: opened to reduce losses';
      commands.issue(
        { at, requester: 'planner-eva', target: `power/branch/${row}`, action: 'open', reason },
        meets,
        mark,
      );
    }
    // Frames of a session may lie ahead of the window; nothing new is older than its start.
    network.flush(from);
    signallingFile.flush(from);
    readingsFile.flush(end);
    commandsFile.flush(end);
    statesFile.flush(end);
  }
  for (const writer of [network, signallingFile, readingsFile, commandsFile, statesFile]) writer.close();
  truth.write(truthFile);
  truthFile.close();
  return {
    scenario: 'blackout',
    seed: options.seed,
    from: startAt,
    attackAt,
    until,
    meters: plan.meters.length,
    honestCommands: honest,
    harmfulCommands: lostShare.length,
    surge: lie?.surge ?? 1,
    lostShare,
    truthSteps: truth.count,
    decoys: { faultyMeter: readings.faultyMeter, noisyHost: traffic.noisyHost.id },
    files: {
      'city.yaml': { bytes: Buffer.byteLength(city), items: plan.meters.length + plan.rtus.length },
      'network.pcap': { bytes: network.bytes, items: network.frames },
      'signalling.pcap': { bytes: signallingFile.bytes, items: signallingFile.frames },
      'readings.ndjson': { bytes: readingsFile.bytes, items: readingsFile.lines },
      'commands.ndjson': { bytes: commandsFile.bytes, items: commandsFile.lines },
      'true-state.ndjson': { bytes: statesFile.bytes, items: statesFile.lines },
      'truth.ndjson': { bytes: truthFile.bytes, items: truthFile.lines },
    },
  };
}
