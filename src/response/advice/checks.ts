// What a resolver's answers say about its set-up, for doctor and audit. Only asking; what can't be told that way says so.
import { ask } from '../ask/index.ts';
import type { Consumer } from '../config.ts';
import { appliedSerial, askConsumer, canaryRules, serialIsLater, type ZoneInForce } from '../rpz/index.ts';
import { Flag, Rcode, rcodeName, soaSerial, Type } from '../wire/index.ts';

export interface Check {
  readonly consumer: string;
  readonly name: 'answers' | 'transferred' | 'applied' | 'canary' | 'before-recursion' | 'validates' | 'signed-queries';
  /** undefined where asking can't tell. */
  readonly ok: boolean | undefined;
  readonly text: string;
}

/**
 * One question, then the others at once, at most seven: a dead resolver costs two seconds, one that dies between them six.
 * @param canaries whether the zone has the canary names (`response.rpz.canaries`)
 */
export async function checkConsumer(consumer: Consumer, zone: ZoneInForce, canaries = false): Promise<Check[]> {
  const check = (name: Check['name'], ok: boolean | undefined, text: string): Check => ({
    consumer: consumer.name,
    name,
    ok,
    text,
  });
  if (consumer.ask === undefined)
    return [check('answers', undefined, 'No address to ask is named (response.rpz.consumers.ask).')];
  const root = await askConsumer(consumer, '.', Type.NS);
  if ('failed' in root) return [check('answers', false, `It does not answer: ${root.failed}.`)];
  const recursive = (root.flags & Flag.RA) !== 0;
  return Promise.all([
    check(
      'answers',
      recursive,
      recursive ? 'It answers and offers recursion.' : 'It answers, but offers no recursion to us.',
    ),
    transferred(consumer, zone, check),
    applied(consumer, zone, check),
    ...(canaries ? [canary(consumer, check)] : []),
    beforeRecursion(consumer, check),
    validates(consumer, check),
    signedQueries(consumer, zone, check),
  ]);
}

type Make = (name: Check['name'], ok: boolean | undefined, text: string) => Check;

/** BIND answers for the zone it holds as a secondary; the others keep it to themselves. */
async function transferred(consumer: Consumer, zone: ZoneInForce, check: Make): Promise<Check> {
  if (consumer.kind !== 'bind')
    return check('transferred', undefined, 'It does not show the SOA of policy zones; see "applied".');
  const reply = await ask({
    ...consumer.ask!,
    name: zone.name,
    type: Type.SOA,
    recursion: false,
    ...(consumer.from === undefined ? {} : { from: consumer.from }),
  });
  if ('failed' in reply) return check('transferred', false, `It does not answer for ${zone.name}: ${reply.failed}.`);
  const soa = reply.answers.find((r) => r.type === Type.SOA);
  const serial = soa === undefined ? undefined : soaSerial(reply.message.bytes, soa);
  if (serial === undefined)
    return check(
      'transferred',
      undefined,
      `It shows no SOA of ${zone.name} to us (${rcodeName(reply.rcode)}): not loaded, or not allowed.`,
    );
  return check(
    'transferred',
    !serialIsLater(zone.serial, serial),
    `It holds serial ${serial}; ours is ${zone.serial}.`,
  );
}

async function applied(consumer: Consumer, zone: ZoneInForce, check: Make): Promise<Check> {
  const serial = await appliedSerial(consumer, zone);
  if (serial === undefined)
    return check(
      'applied',
      false,
      `It does not answer by ${zone.name}: the zone is not loaded, has another name there, or its policy is off.`,
    );
  const late = serialIsLater(zone.serial, serial);
  return check(
    'applied',
    !late,
    late ? `It applies serial ${serial}; ours is ${zone.serial}.` : `It applies our serial ${serial}.`,
  );
}

/** A name that everybody knows, by the rule that is always there. */
async function canary(consumer: Consumer, check: Make): Promise<Check> {
  const name = canaryRules[0]!.owner;
  const reply = await askConsumer(consumer, name, Type.A);
  if ('failed' in reply) return check('canary', undefined, `Asked for ${name}, it gives no answer: ${reply.failed}.`);
  if (reply.rcode === Rcode.NxDomain) return check('canary', true, `It refuses ${name}, as our rule says.`);
  if (reply.rcode !== Rcode.NoError)
    return check(
      'canary',
      undefined,
      `It answers ${rcodeName(reply.rcode)} for ${name}, so nothing can be told by it.`,
    );
  return check('canary', false, `It answers for ${name} against our rule: browsers may go round it by DNS over HTTPS.`);
}

function beforeRecursion(consumer: Consumer, check: Make): Check {
  if (consumer.kind === 'bind')
    return check(
      'before-recursion',
      undefined,
      'Answers look the same either way: see that its configuration says qname-wait-recurse no, or blocked names still leave the site.',
    );
  return check(
    'before-recursion',
    true,
    'It applies rules for names before it asks anyone (tried with this version line; not seen by asking).',
  );
}

/** The root's SOA is signed: a validating resolver says AD (RFC 6840, 5.7). Worth as much as the path to it. */
async function validates(consumer: Consumer, check: Make): Promise<Check> {
  const reply = await askConsumer(consumer, '.', Type.SOA, true);
  if ('failed' in reply || reply.rcode !== Rcode.NoError || reply.answers.length === 0)
    return check('validates', undefined, 'It has no answer for the root, so nothing can be told.');
  const ad = (reply.flags & Flag.AD) !== 0;
  return check(
    'validates',
    ad,
    ad ? 'It says that it has validated the root (AD).' : 'It does not validate DNSSEC: forged answers pass.',
  );
}

async function signedQueries(consumer: Consumer, zone: ZoneInForce, check: Make): Promise<Check> {
  const serial = await appliedSerial(consumer, zone, true);
  if (serial !== undefined)
    return check('signed-queries', true, 'It also rewrites for clients that ask for signatures (DO=1).');
  const plain = await appliedSerial(consumer, zone);
  if (plain === undefined) return check('signed-queries', undefined, 'It does not rewrite at all; see "applied".');
  return check(
    'signed-queries',
    false,
    `It does not rewrite for clients that set DO=1, so that one bit undoes every block${consumer.kind === 'bind' ? ': set break-dnssec yes' : ''}.`,
  );
}
