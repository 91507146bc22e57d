// Asking instead of watching: whether the zones the city depends on are signed soundly, and whether its resolvers validate. Each
// question has two seconds; what does not answer is a check that failed, never a wait. Nothing is changed anywhere.
import { randomBytes } from 'node:crypto';
import { parseName, type Result, ROOT_ANCHORS, readAnchors, readSignature } from '#detectors/dnssec';
import { type Asked, Type } from '#response/ask';
import {
  type Asking,
  type AuditCheck,
  failureOf,
  judge,
  type Make,
  maker,
  type Place,
  setsOf,
  through,
} from './dns-audit-ask.ts';
import { auditServers } from './dns-audit-servers.ts';

export type { AuditCheck, Place } from './dns-audit-ask.ts';
export { auditResolver, type Trial } from './dns-audit-resolver.ts';

const DS = 43;
const DNSKEY = 48;
const NSEC3 = 50;
const DAY_SECONDS = 86_400;
const SOON_SECONDS = 7 * DAY_SECONDS;
/**
 * Signers renew in time: Knot when a tenth of a signature's life is left, BIND five days before the end, those that sign at each
 * answer have two days in all. A signature of a short life may end within a week and be in order.
 */
const SHORT_LIFE_SECONDS = 15 * DAY_SECONDS;
const LEFT_SHARE = 0.1;
/** What RFC 8624 3.1 says to sign with; others are "not recommended" or worse. */
const GOOD_ALGORITHMS = new Set([8, 13, 14, 15, 16]);

/**
 * Audits one zone as seen through a resolver and at each of its servers. Negative anchors are left out of account: they say what
 * a resolver lets pass, not how the zone is.
 * @param zone in presentation form
 * @param anchorLines as `dns.anchors` of city.yaml; the root's where undefined
 * @param serverPort where authoritative servers listen; 53 but for tests
 */
export async function auditZone(
  zone: string,
  by: Place,
  anchorLines: readonly string[] | undefined,
  nowSeconds: number,
  serverPort = 53,
): Promise<AuditCheck[]> {
  const { anchors, rejected } = readAnchors(anchorLines ?? ROOT_ANCHORS);
  const asking: Asking = { by, nowSeconds, anchors };
  const check = maker(zone);
  if (parseName(zone) === undefined)
    return [check('answers', false, `${zone} is no domain name.`, 'Correct dns.signed of city.yaml.')];
  // A label that nobody has, so that its denial is shown and no cache has it.
  const absentName = `parapet-audit-${randomBytes(5).toString('hex')}.${zone === '.' ? '' : zone}`;
  const [soa, keys, ds, absent] = await Promise.all([
    through(asking, zone, Type.SOA),
    through(asking, zone, DNSKEY),
    through(asking, zone, DS),
    through(asking, absentName, Type.A),
  ]);
  const failure = failureOf(soa);
  if ('failed' in soa || failure !== '')
    return [
      check(
        'answers',
        false,
        `${by.address} gives no answer about ${zone}: ${failure}.`,
        'See that the zone exists, its servers answer, and the resolver may be asked from here.',
      ),
    ];
  const out: AuditCheck[] = [];
  if (rejected.length > 0)
    out.push(
      check(
        'anchors',
        false,
        `${rejected.length} of the anchors could not be read, first: ${rejected[0]!.slice(0, 80)}`,
        'Write dns.anchors of city.yaml as: name DS tag algorithm digest-type hex.',
      ),
    );
  const judged = await judge(asking, zone, Type.SOA, soa.message.bytes);
  out.push({ ...chain(check, judged), status: judged.status });
  // Without a chain a signed zone can be looked at all the same; an unsigned one has nothing to look at.
  const isSigned = [soa, keys].some((r) => setsOf(r).some((s) => s.signatures.length > 0));
  if (isSigned || judged.status === 'bogus') {
    if (judged.status === 'secure') out.push(await denial(asking, absentName, absent, check));
    out.push(
      signatures(check, zone, [soa, keys, absent], nowSeconds),
      ...algorithms(check, keys, ds),
      ...nsec3(check, absent),
    );
  }
  out.push(...(await auditServers(asking, zone, serverPort, judged.code !== 'DELEGATION_UNSIGNED', check)));
  return out;
}

function chain(check: Make, judged: Result): AuditCheck {
  if (judged.status === 'secure')
    return check('chain', true, 'The chain of trust holds from the anchor to its records.');
  if (judged.code === 'DELEGATION_UNSIGNED')
    return check(
      'chain',
      false,
      `No DS record names its keys, so its answers can be forged. ${judged.reason}`,
      'Sign the zone and have its parent publish the DS record.',
    );
  if (judged.code === 'NO_ANCHOR')
    return check('chain', undefined, judged.reason, 'Name an anchor under dns.anchors of city.yaml.');
  if (judged.status === 'bogus')
    return check(
      'chain',
      false,
      judged.reason,
      'A resolver that validates gives no answer about it: mend keys, DS record or signatures.',
    );
  return check('chain', undefined, judged.reason, 'See that all servers on the way to it can be asked.');
}

async function denial(asking: Asking, name: string, absent: Asked, check: Make): Promise<AuditCheck> {
  if ('failed' in absent)
    return check(
      'denial',
      undefined,
      `Asked for a name that is not there, no answer came: ${absent.failed}.`,
      'Ask again.',
    );
  const denied = await judge(asking, name, Type.A, absent.message.bytes);
  const ok = denied.status === 'secure' ? true : denied.status === 'bogus' ? false : undefined;
  if (ok === true) return check('denial', true, 'Names that do not exist are denied with proof.');
  const text = denied.code === 'OPT_OUT' ? `${denied.reason} Names can be slipped in there.` : denied.reason;
  return check('denial', ok, text, 'Sign the zone anew, with NSEC, or NSEC3 without opt-out.');
}

/** The signature of the zone that ends first. */
function signatures(check: Make, zone: string, replies: readonly Asked[], nowSeconds: number): AuditCheck {
  const apex = parseName(zone);
  let left = Number.POSITIVE_INFINITY;
  let life = 0;
  for (const set of replies.flatMap(setsOf))
    for (const raw of set.signatures) {
      const s = readSignature(raw);
      if (s === undefined || s.signer !== apex) continue;
      // Serial arithmetic (RFC 4034 3.1.5): the nearest time with these 32 bits.
      const ends = (s.expiration - nowSeconds) | 0;
      if (ends >= left) continue;
      left = ends;
      life = (s.expiration - s.inception) | 0;
    }
  if (left === Number.POSITIVE_INFINITY)
    return check(
      'signatures',
      false,
      'No signature came with its answers.',
      'See that its servers sign, and that the resolver passes signatures on.',
    );
  const when = `${new Date((nowSeconds + left) * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  if (left <= 0)
    return check(
      'signatures',
      false,
      `A signature ran out at ${when}.`,
      'Sign the zone anew, and see that renewal runs.',
    );
  const text = `The first signature to run out does so at ${when}, in ${(left / DAY_SECONDS).toFixed(1)} days of ${(life / DAY_SECONDS).toFixed(0)}.`;
  if (left > SOON_SECONDS) return check('signatures', true, text);
  const isShort = life <= SHORT_LIFE_SECONDS && left > LEFT_SHARE * life;
  return isShort
    ? check('signatures', undefined, `${text} Signers that renew by themselves let it come to that.`, 'Look tomorrow.')
    : check('signatures', false, text, 'Sign the zone anew, and see that renewal runs.');
}

function algorithms(check: Make, keys: Asked, ds: Asked): AuditCheck[] {
  const column = (reply: Asked, type: number, at: number): Set<number> =>
    new Set(
      setsOf(reply)
        .filter((s) => s.type === type)
        .flatMap((s) => s.rdatas.map((r) => r[at] ?? 0)),
    );
  const used = column(keys, DNSKEY, 3);
  const digests = column(ds, DS, 3);
  const old = [...used].filter((a) => !GOOD_ALGORITHMS.has(a));
  const out: AuditCheck[] = [];
  if (used.size > 0)
    out.push(
      check(
        'algorithms',
        old.length === 0,
        old.length === 0
          ? `Its keys are of algorithm ${[...used].join(', ')}.`
          : `It has keys of algorithm ${old.join(', ')}, which is not recommended for signing.`,
        'Roll over to ECDSA P-256 (13) or Ed25519 (15) (RFC 8624 3.1).',
      ),
    );
  if (digests.size > 0 && !digests.has(2) && !digests.has(4))
    out.push(
      check(
        'digests',
        false,
        `Its parent names its keys by digests of type ${[...digests].join(', ')} alone.`,
        'Have the parent publish a DS record with SHA-256 (RFC 8624 3.3).',
      ),
    );
  return out;
}

function nsec3(check: Make, absent: Asked): AuditCheck[] {
  const data = setsOf(absent).find((s) => s.type === NSEC3)?.rdatas[0];
  if (data === undefined || data.length < 5) return [];
  const iterations = (data[2]! << 8) | data[3]!;
  const ok = iterations === 0 && data[4] === 0;
  return [
    check(
      'nsec3',
      ok,
      ok
        ? 'NSEC3 without further iterations or salt.'
        : `NSEC3 with ${iterations} further iterations and ${data[4]} octets of salt: work for resolvers, protection for nobody.`,
      'Set iterations to 0 and drop the salt (RFC 9276 3.1).',
    ),
  ];
}
