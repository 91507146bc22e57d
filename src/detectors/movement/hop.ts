// One host stepping onto another: what was seen of it, and how much that weighs. Terms are bits; each is a reason of the finding.
import type { Evidence, Reason } from '#findings';
import { weightOf } from '../claim.ts';
import calibration from './calibration.json' with { type: 'json' };
import type { Ticket } from './tickets.ts';
import { ways } from './ways.ts';

const c = calibration;

export interface Step {
  readonly way: string;
  readonly firstAt: number;
  lastAt: number;
  count: number;
  readonly evidence: Evidence;
  /** When it was done again after a pause, the first few, each with its evidence. */
  again: { at: number; evidence: Evidence }[];
  /** All that came after the first, where all evidence is asked for. */
  all: Evidence[];
}

const PAUSE_MICROS = 15e6;
const AGAIN_MAX = 8;
const ALL_MAX = 5000;

export function stepOf(way: string, at: number, evidence: Evidence): Step {
  return { way, firstAt: at, lastAt: at, count: 1, evidence, again: [], all: [] };
}

/** One more of the same; after a pause it is told apart. @param keepsAll all evidence is asked for */
export function repeat(step: Step, at: number, evidence: Evidence, keepsAll: boolean): void {
  step.count += 1;
  if (keepsAll && step.all.length < ALL_MAX) step.all.push(evidence);
  if (at - step.lastAt >= PAUSE_MICROS && step.again.length < AGAIN_MAX) step.again.push({ at, evidence });
  step.lastAt = Math.max(step.lastAt, at);
}

export interface Hop {
  readonly from: string;
  readonly to: string;
  readonly firstAt: number;
  lastAt: number;
  steps: Step[];
  bytes: number;
  failed: number;
  /** The target serves three others or more in one of these ways, or hands out tickets. */
  serves: boolean;
  controller: boolean;
  /** The source acts so on three others or more since long: a management server by habit. */
  fanOut: boolean;
  managementRole: boolean;
  /** The source never administered anyone before, and habits are known. */
  roleChange: boolean;
  /** Zones of source and target; '' where city.yaml names none. */
  zones: readonly [string, string];
  /** Some step went where no conduit leads. */
  isCrossing: boolean;
  fetched: { peer: string; bytes: number; pushed: number; evidence: Evidence } | undefined;
  ticket: Ticket | undefined;
  stranger: { peer: string; at: number; evidence: Evidence } | undefined;
  /** How the source was reached itself: the hosts before it, in order. */
  before: string[];
  beforeEvidence: Evidence[];
  alertAt: number;
  bits: number;
}

export function clock(at: number): string {
  return new Date(at / 1000).toISOString().slice(11, 19);
}

export function judge(hop: Hop): { bits: number; reasons: Reason[] } {
  const reasons: Reason[] = [];
  const say = (bits: number, text: string): void => void reasons.push({ text, bits });
  const told = (s: Step): string =>
    `${ways[s.way]!.name} at ${[s.firstAt, ...s.again.map((x) => x.at)].map(clock).join(', ')} UTC (${s.count} in all)`;
  const strong = hop.steps.filter((s) => !ways[s.way]!.common && !ways[s.way]!.executes);
  const common = hop.steps.filter((s) => ways[s.way]!.common);
  const executing = hop.steps.filter((s) => ways[s.way]!.executes && s.way !== 'replication');
  if (hop.isCrossing)
    say(
      c.crossing,
      `zones ${hop.zones[0]} and ${hop.zones[1]} have no conduit for this: ${hop.steps.map(told).join('; ')}`,
    );
  else if (strong.length > 0) say(c.newAdmin, `it never administered this host before: ${strong.map(told).join('; ')}`);
  if (common.length > 0 && !hop.serves && !hop.isCrossing)
    say(c.newAccess, `it never used this host before: ${common.map(told).join('; ')}`);
  if (executing.length > 0)
    say(
      c.execution + c.executionMore * (executing.length - 1),
      `something was run on it from afar: ${executing.map(told).join('; ')}`,
    );
  const copied = hop.steps.find((s) => s.way === 'replication');
  if (copied !== undefined)
    say(
      c.replication,
      `it asked for a copy of the directory’s secrets at ${clock(copied.firstAt)} UTC, as only domain controllers do`,
    );
  if (reasons.length === 0) return { bits: 0, reasons };
  if (!hop.serves && !hop.steps.every((s) => ways[s.way]!.plant))
    say(c.loneServer, 'the target serves nobody else so: it is no server');
  if (hop.controller && strong.length + executing.length > 0) say(c.controller, 'the target is a domain controller');
  if (hop.bytes >= c.pushedBytesMin && (!hop.serves || strong.length > 0))
    say(c.pushed, `${hop.bytes} octets were pushed onto it`);
  if (hop.fetched !== undefined)
    say(
      c.fetchedPushed,
      `${hop.fetched.bytes} octets came from ${hop.fetched.peer} just before, and ${hop.fetched.pushed} went on to the target`,
    );
  if (hop.failed >= 3) say(c.probes, `${hop.failed} tries failed before or beside`);
  if (new Set(hop.steps.map((s) => s.way)).size >= 2)
    say(c.twoWays, 'several ways were used, as remote execution does');
  const t = hop.ticket;
  if (t !== undefined && t.realm !== '')
    say(
      c.forgedTicket,
      `the ticket to ${t.service} is for ${t.user}, where controllers write ${t.realm}${t.unasked ? ', and that user never logged in in anything seen' : ''}: it may be forged`,
    );
  else if (t !== undefined && t.switched !== '')
    say(c.credentialSwitch, `it acts as ${t.user}, while the user of that host is ${t.switched}`);
  if (hop.stranger !== undefined)
    say(
      c.stranger,
      `at ${clock(hop.stranger.at)} UTC the target called ${hop.stranger.peer}, which only the source had called before`,
    );
  if (hop.before.length > 0)
    say(c.path, `the source had been stepped onto itself: ${[...hop.before, hop.from, hop.to].join(' > ')}`);
  if (hop.roleChange) say(c.firstAdministering, 'the source administered nobody before');
  if (hop.zones[0] !== hop.zones[1] && /twin|control/.test(hop.zones[1]))
    say(c.towardsTwin, `it leads towards the zone ${hop.zones[1]}`);
  // Whom it administers since long says nothing of a place where nothing leads.
  if (hop.fanOut && !hop.isCrossing) say(c.fanOut, 'the source administers many hosts so since long');
  if (hop.managementRole) say(c.managementRole, 'the source is there to administer, by its role in city.yaml');
  return weightOf(reasons);
}
