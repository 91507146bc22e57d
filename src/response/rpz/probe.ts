// Asks one resolver whether a refusal holds there. NXDOMAIN alone proves nothing: the name may not exist. What tells policy
// from nature is the SOA that RFC 2308 puts into every natural denial, of a zone at or above the name; BIND adds the policy
// zone's SOA instead, Unbound and PowerDNS none, Knot Resolver one of `nobody.invalid`.
import { randomBytes } from 'node:crypto';
import { formatAddress } from '#lib/address';
import { type Asked, ask, type Reply } from '../ask/index.ts';
import type { Consumer } from '../config.ts';
import { isBelow, Rcode, type ReadRecord, rcodeName, readName, Type } from '../wire/index.ts';
import { type Outcome, outcomeLines } from './rule.ts';
import { markerSerial, type PolicyZone, witnessName } from './zone.ts';

/** `refused`: answered by policy. `natural`: as if there were no rule. `unclear`: no answer, SERVFAIL, or neither. */
export type Seen = { readonly verdict: 'refused' | 'natural' | 'unclear'; readonly text: string };

/** A label that nobody has asked for, so that no cache answers. */
export const freshLabel = (): string => `p${randomBytes(6).toString('hex')}`;

export async function probe(consumer: Consumer, name: string, outcome: Outcome, zone: string): Promise<Seen> {
  const type = outcome.kind === 'sink' && outcome.records.every((r) => r.type === 'AAAA') ? Type.AAAA : Type.A;
  return judge(await askConsumer(consumer, name, type), name, outcome, zone);
}

/** What an answer says about the rule; `zone` is the policy zone's name. */
export function judge(reply: Asked, name: string, outcome: Outcome, zone: string): Seen {
  if ('failed' in reply) return { verdict: 'unclear', text: `${name}: ${reply.failed}` };
  const text = `${name}: ${rcodeName(reply.rcode)}${reply.answers.length === 0 ? '' : ` ${addresses(reply).join(' ')}`}`;
  if (reply.rcode !== Rcode.NoError && reply.rcode !== Rcode.NxDomain) return { verdict: 'unclear', text };
  if (outcome.kind === 'sink') return { verdict: leadsToSink(reply, outcome) ? 'refused' : 'natural', text };
  if (outcome.kind === 'passthru') return { verdict: 'natural', text };
  const denial =
    outcome.kind === 'nxdomain'
      ? reply.rcode === Rcode.NxDomain
      : reply.rcode === Rcode.NoError && reply.answers.length === 0;
  if (!denial) return { verdict: 'natural', text };
  return naturalSoa(reply, name, zone)
    ? { verdict: 'natural', text: `${text} from the name's own zone` }
    : { verdict: 'refused', text: `${text} by policy` };
}

function naturalSoa(reply: Reply, name: string, zone: string): boolean {
  return reply.authority.some((r) => {
    if (r.type !== Type.SOA) return false;
    const owner = r.name.toLowerCase();
    if (owner === zone || (owner !== name && !isBelow(name, owner))) return false;
    const mname = readName(reply.message.bytes, r.dataAt);
    const rname = mname === undefined ? undefined : readName(reply.message.bytes, mname.end);
    return rname?.name !== 'nobody.invalid';
  });
}

function leadsToSink(reply: Reply, outcome: Extract<Outcome, { kind: 'sink' }>): boolean {
  const wanted = new Set(outcomeLines(outcome));
  return reply.answers.some((r) => {
    const value = lineOf(reply, r);
    return value !== undefined && wanted.has(value);
  });
}
function lineOf(reply: Reply, r: ReadRecord): string | undefined {
  if (r.type === Type.CNAME) return `CNAME ${readName(reply.message.bytes, r.dataAt)?.name.toLowerCase()}.`;
  const address = addressOf(reply, r);
  return address === undefined ? undefined : `${r.type === Type.A ? 'A' : 'AAAA'} ${address}`;
}
function addressOf(reply: Reply, r: ReadRecord): string | undefined {
  const octets = r.type === Type.A ? 4 : r.type === Type.AAAA ? 16 : 0;
  if (octets === 0 || r.dataLength !== octets) return undefined;
  const words = new Uint32Array([0, 0, 0xffff, 0]);
  const { bytes } = reply.message;
  if (octets === 4) words[3] = bytes.readUInt32BE(r.dataAt);
  else for (let i = 0; i < 4; i++) words[i] = bytes.readUInt32BE(r.dataAt + 4 * i);
  return formatAddress(words, 0);
}
function addresses(reply: Reply): string[] {
  return reply.answers.slice(0, 4).flatMap((r) => addressOf(reply, r) ?? []);
}

/** What asking needs of a policy zone; a process that does not serve it can learn it by asking too. */
export type ZoneInForce = Pick<PolicyZone, 'name' | 'serial' | 'marker'>;

/**
 * The serial that a resolver has applied, read from the zone's marker through its policy: loaded and in force, not merely
 * transferred. undefined where it doesn't answer by our zone: not loaded, another name, or policy switched off.
 */
export async function appliedSerial(
  consumer: Consumer,
  zone: ZoneInForce,
  dnssecOk = false,
): Promise<number | undefined> {
  const serial = await toldSerial(consumer, zone.marker, dnssecOk);
  if (serial === undefined) return undefined;
  return (await toldSerial(consumer, witnessName(zone.name, serial), dnssecOk)) === serial ? serial : undefined;
}

async function toldSerial(consumer: Consumer, below: string, dnssecOk: boolean): Promise<number | undefined> {
  const reply = await askConsumer(consumer, `${freshLabel()}.${below}`, Type.AAAA, dnssecOk);
  if ('failed' in reply) return undefined;
  for (const r of reply.answers)
    if (r.type === Type.AAAA) return markerSerial(reply.message.bytes.subarray(r.dataAt, r.dataAt + r.dataLength));
  return undefined;
}

export function askConsumer(consumer: Consumer, name: string, type: number, dnssecOk = false): Promise<Asked> {
  const at = consumer.ask;
  if (at === undefined) return Promise.resolve({ failed: 'no address to ask is named' });
  return ask({ ...at, name, type, dnssecOk, ...(consumer.from === undefined ? {} : { from: consumer.from }) });
}
