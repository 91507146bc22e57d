// Asking instead of watching: whether the zones the city depends on are signed soundly, and whether its resolvers validate. Each
// question has two seconds; what does not answer is a check that failed, never a wait. Nothing is changed anywhere.
import {
  type Anchor,
  nameOf,
  parseName,
  type Result,
  ROOT_ANCHORS,
  type Rrset,
  readAnchors,
  readMessage,
  readSignature,
  textOf,
  validate,
  wireOf,
} from '#detectors/dnssec';
import { formatAddress } from '#lib/address';
import { type Asked, ask, Flag, Rcode, Type } from '#response/ask';

export interface AuditCheck {
  /** The zone or the resolver. */
  readonly subject: string;
  readonly what: string;
  /** undefined where asking can't tell. */
  readonly ok: boolean | undefined;
  readonly text: string;
  readonly remedy: string;
}

export interface Place {
  readonly address: string;
  readonly port: number;
}

const DS = 43;
const RRSIG = 46;
const DNSKEY = 48;
const NSEC3 = 50;
const DAY_SECONDS = 86_400;
const SOON_DAYS = 7;
const SERVERS_MAX = 16;
/** Zone keys that RFC 8624 3.1 says to use; signing with others is "not recommended" or worse. */
const GOOD_ALGORITHMS = new Set([8, 13, 14, 15, 16]);

interface Asking {
  readonly by: Place;
  /** Where authoritative servers listen; 53 but for tests. */
  readonly serverPort: number;
  readonly nowSeconds: number;
  readonly anchors: readonly Anchor[];
}

/**
 * Audits one zone as seen through a resolver (asked with CD, so that what it would refuse is shown) and at each of its servers.
 * @param zone in presentation form
 * @param anchorLines as `dns.anchors` of city.yaml; the root's where undefined
 */
export async function auditZone(
  zone: string,
  by: Place,
  anchorLines: readonly string[] | undefined,
  nowSeconds: number,
  serverPort = 53,
): Promise<AuditCheck[]> {
  const asking: Asking = { by, serverPort, nowSeconds, anchors: readAnchors(anchorLines ?? ROOT_ANCHORS).anchors };
  const check = (what: string, ok: boolean | undefined, text: string, remedy = ''): AuditCheck => ({
    subject: zone,
    what,
    ok,
    text,
    remedy,
  });
  const [soa, keys, ds, absent] = await Promise.all([
    through(asking, zone, Type.SOA),
    through(asking, zone, DNSKEY),
    through(asking, zone, DS),
    // A label that nobody has, so that its denial is shown.
    through(asking, `${absentLabel(nowSeconds)}.${zone}`, Type.A),
  ]);
  if ('failed' in soa)
    return [
      check(
        'answers',
        false,
        `${by.address} gives no answer about ${zone}: ${soa.failed}.`,
        'See that it runs and may be asked from here.',
      ),
    ];
  if (soa.rcode !== Rcode.NoError)
    return [
      check(
        'answers',
        false,
        `${by.address} answers with an error about ${zone}.`,
        'See that the zone exists and its servers answer.',
      ),
    ];
  const out: AuditCheck[] = [];
  const judged = await judge(asking, zone, Type.SOA, soa.message.bytes);
  out.push(chain(check, judged));
  if (judged.code !== 'DELEGATION_UNSIGNED' && judged.code !== 'NO_ANCHOR') {
    if (!('failed' in absent)) {
      const denied = await judge(asking, `${absentLabel(nowSeconds)}.${zone}`, Type.A, absent.message.bytes);
      const ok = denied.status === 'secure' || denied.status === 'insecure';
      out.push(
        check(
          'denial',
          ok,
          ok ? 'Names that do not exist are denied with proof.' : denied.reason,
          'Sign the zone anew, with NSEC or NSEC3.',
        ),
      );
    }
    out.push(...signatures(check, [soa, keys, absent], nowSeconds));
    out.push(...algorithms(check, keys, ds));
    out.push(...nsec3(check, absent));
  }
  out.push(...(await servers(asking, zone, check)));
  return out;
}

type Make = (what: string, ok: boolean | undefined, text: string, remedy?: string) => AuditCheck;

const absentLabel = (nowSeconds: number): string => `parapet-audit-${nowSeconds.toString(36)}`;

function through(asking: Asking, name: string, type: number): Promise<Asked> {
  return ask({ ...asking.by, name, type, dnssecOk: true, checkingDisabled: true });
}

/** The validator with messages fetched as it needs them. */
async function judge(asking: Asking, name: string, type: number, bytes: Uint8Array): Promise<Result> {
  const steps = validate(bytes, { name: wireOf(parseName(name)!), type }, asking.anchors, asking.nowSeconds);
  for (let step = steps.next(); ; ) {
    if (step.done === true) return step.value;
    const reply = await through(asking, textOf(nameOf(step.value.name)), step.value.type);
    step = steps.next('failed' in reply ? undefined : reply.message.bytes);
  }
}

function chain(check: Make, judged: Result): AuditCheck {
  if (judged.status === 'secure')
    return check('chain', true, 'The chain of trust holds from the anchor to its records.');
  if (judged.code === 'DELEGATION_UNSIGNED')
    return check(
      'chain',
      false,
      `Its answers can be forged: ${judged.reason}`,
      'Sign the zone and have its parent publish the DS record.',
    );
  if (judged.code === 'NO_ANCHOR')
    return check('chain', undefined, judged.reason, 'Name an anchor under dns.anchors of city.yaml.');
  return check(
    'chain',
    judged.status === 'insecure' ? undefined : false,
    judged.reason,
    'A resolver that validates gives no answer about it: mend keys, DS record or signatures.',
  );
}

function setsOf(reply: Asked): readonly Rrset[] {
  const message = 'failed' in reply ? undefined : readMessage(reply.message.bytes);
  return message === undefined ? [] : [...message.answer, ...message.authority];
}

/** The signature that ends first. */
function signatures(check: Make, replies: readonly Asked[], nowSeconds: number): AuditCheck[] {
  let first = Number.POSITIVE_INFINITY;
  for (const set of replies.flatMap(setsOf))
    for (const raw of set.signatures) {
      const s = readSignature(raw);
      // Serial arithmetic (RFC 4034 3.1.5): the nearest time with these 32 bits.
      if (s !== undefined) first = Math.min(first, nowSeconds + ((s.expiration - nowSeconds) | 0));
    }
  if (first === Number.POSITIVE_INFINITY)
    return [
      check(
        'signatures',
        false,
        'No signature came with its answers.',
        'See that its servers sign, and that the resolver passes signatures on.',
      ),
    ];
  const days = (first - nowSeconds) / DAY_SECONDS;
  const when = new Date(first * 1000).toISOString().slice(0, 16).replace('T', ' ');
  return [
    check(
      'signatures',
      days > SOON_DAYS,
      days <= 0
        ? `A signature ran out at ${when} UTC.`
        : `The first signature to run out does so at ${when} UTC, in ${days.toFixed(1)} days.`,
      'Sign anew, and see that renewal runs.',
    ),
  ];
}

function algorithms(check: Make, keys: Asked, ds: Asked): AuditCheck[] {
  const used = new Set(
    setsOf(keys)
      .filter((s) => s.type === DNSKEY)
      .flatMap((s) => s.rdatas.map((r) => r[3] ?? 0)),
  );
  const digests = new Set(
    setsOf(ds)
      .filter((s) => s.type === DS)
      .flatMap((s) => s.rdatas.map((r) => r[3] ?? 0)),
  );
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
        'Its parent names its keys by SHA-1 alone.',
        'Have the parent publish a DS record with SHA-256 (RFC 8624 3.3).',
      ),
    );
  return out;
}

function nsec3(check: Make, absent: Asked): AuditCheck[] {
  const set = setsOf(absent).find((s) => s.type === NSEC3);
  const data = set?.rdatas[0];
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

/** Each server of the zone, asked itself: that it answers, signs, and holds the same zone. */
async function servers(asking: Asking, zone: string, check: Make): Promise<AuditCheck[]> {
  const names = await namesOf(asking, zone);
  if (names.length === 0) return [check('servers', undefined, 'No servers of the zone are named.', '')];
  const places: { name: string; address: string }[] = [];
  for (const name of names)
    for (const type of [Type.A, Type.AAAA])
      for (const address of await addressesOf(asking, name, type))
        if (places.length < SERVERS_MAX) places.push({ name, address });
  const seen = await Promise.all(
    places.map(async (p) => ({
      ...p,
      reply: await ask({
        address: p.address,
        port: asking.serverPort,
        name: zone,
        type: Type.SOA,
        recursion: false,
        dnssecOk: true,
      }),
    })),
  );
  const out: AuditCheck[] = [];
  const serials = new Map<number, string[]>();
  for (const s of seen) {
    const who = `${s.name} (${s.address})`;
    if ('failed' in s.reply) {
      out.push(
        check(
          'server',
          false,
          `${who} does not answer: ${s.reply.failed}.`,
          'Bring it back, or take it out of the NS records.',
        ),
      );
      continue;
    }
    const set = setsOf(s.reply).find((x) => x.type === Type.SOA);
    if (set === undefined)
      out.push(check('server', false, `${who} does not answer for the zone.`, 'See that it holds the zone.'));
    else {
      const data = set.rdatas[0]!;
      const serial = new DataView(data.buffer, data.byteOffset, data.length).getUint32(data.length - 20);
      serials.set(serial, [...(serials.get(serial) ?? []), who]);
      if (set.signatures.length === 0)
        out.push(check('server', false, `${who} gives the zone unsigned.`, 'See that it fetches the signed zone.'));
    }
  }
  if (serials.size > 1)
    out.push(
      check(
        'serials',
        false,
        `Its servers hold different zones: ${[...serials].map(([n, who]) => `serial ${n} at ${who.join(', ')}`).join('; ')}.`,
        'See that transfers work; for minutes after a change this is normal.',
      ),
    );
  else if (serials.size === 1 && out.length === 0)
    out.push(
      check(
        'servers',
        true,
        `Its ${places.length === 1 ? 'server answers' : `${places.length} servers answer alike`}, signed, serial ${[...serials.keys()][0]}.`,
      ),
    );
  return out;
}

async function namesOf(asking: Asking, zone: string): Promise<string[]> {
  const reply = await through(asking, zone, Type.NS);
  const sets = setsOf(reply).filter((s) => s.type === Type.NS && s.owner === parseName(zone));
  return sets.flatMap((s) => s.rdatas.map((r) => textOf(nameOf(r)))).slice(0, SERVERS_MAX);
}

async function addressesOf(asking: Asking, name: string, type: number): Promise<string[]> {
  const sets = setsOf(await through(asking, name, type)).filter((s) => s.type === type && s.type !== RRSIG);
  return sets.flatMap((s) => s.rdatas.map((r) => addressText(r))).filter((a) => a !== '');
}

function addressText(data: Uint8Array): string {
  const words = new Uint32Array([0, 0, 0xffff, 0]);
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (data.length === 4) words[3] = view.getUint32(0);
  else if (data.length === 16) for (let i = 0; i < 4; i++) words[i] = view.getUint32(4 * i);
  else return '';
  return formatAddress(words, 0);
}

/**
 * Whether a resolver answers, by UDP and TCP, and whether it really validates: a sound name must carry AD, and a name whose
 * signatures are broken must fail, though it answers where checking is off (else the name is merely dead).
 * @param sound a name of a signed zone; @param broken a name whose signatures are known not to hold; '' where none is known
 */
export async function auditResolver(resolver: Place, sound: string, broken = ''): Promise<AuditCheck[]> {
  const subject = resolver.address;
  const check: Make = (what, ok, text, remedy = '') => ({ subject, what, ok, text, remedy });
  const udp = await ask({ ...resolver, name: sound, type: Type.SOA, dnssecOk: true });
  if ('failed' in udp)
    return [
      check(
        'answers',
        false,
        `It does not answer by UDP: ${udp.failed}.`,
        'See that it runs, and that it may be asked from this machine.',
      ),
    ];
  const out = [check('answers', true, `It answers in ${udp.tookMs.toFixed(0)} ms.`)];
  const tcp = await ask({ ...resolver, name: sound, type: Type.SOA, tcp: true });
  out.push(
    'failed' in tcp
      ? check(
          'tcp',
          false,
          `It does not answer by TCP: ${tcp.failed}. Long answers are lost.`,
          'Open port 53 of TCP (RFC 7766).',
        )
      : check('tcp', true, 'It answers by TCP.'),
  );
  if (udp.rcode !== Rcode.NoError || udp.answers.length === 0) {
    out.push(
      check(
        'validates',
        undefined,
        `It has no answer for ${sound}, so nothing can be told.`,
        'Give it a way to the zone, or list a signed zone under dns.signed.',
      ),
    );
    return out;
  }
  const ad = (udp.flags & Flag.AD) !== 0;
  if (broken === '') {
    out.push(
      ad
        ? check(
            'validates',
            undefined,
            `It says that ${sound} is validated (AD); whether it refuses what is forged was not tried.`,
            'Name a domain with broken signatures: --broken NAME.',
          )
        : check(
            'validates',
            false,
            `It does not validate: ${sound} is signed, and its answer carries no AD. Forged answers pass.`,
            'Switch DNSSEC validation on, with the root anchor.',
          ),
    );
    return out;
  }
  const refused = await ask({ ...resolver, name: broken, type: Type.A, dnssecOk: true });
  const unchecked = await ask({ ...resolver, name: broken, type: Type.A, dnssecOk: true, checkingDisabled: true });
  if ('failed' in unchecked || unchecked.rcode !== Rcode.NoError || unchecked.answers.length === 0)
    out.push(
      check(
        'validates',
        undefined,
        `${broken} does not answer even unchecked: nothing can be told by it.`,
        'Name another domain with broken signatures.',
      ),
    );
  else if (!('failed' in refused) && refused.rcode === Rcode.ServFail)
    out.push(
      check(
        'validates',
        ad,
        ad
          ? `It validates: ${broken} is refused, and answers where checking is off; ${sound} carries AD.`
          : `It refuses ${broken}, but says no AD for ${sound}.`,
        'See its trust anchors.',
      ),
    );
  else
    out.push(
      check(
        'validates',
        false,
        `It hands out ${broken} though its signatures do not hold: forged answers pass.`,
        'Switch DNSSEC validation on, with the root anchor.',
      ),
    );
  return out;
}
