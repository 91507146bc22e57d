// Whether a resolver answers, by UDP and TCP, and whether it really validates. AD alone is a claim (RFC 4035 4.9.3): a name whose
// signatures are broken must fail, and answer where checking is off (CD), or else it is merely dead.
import { ROOT_ANCHORS, readAnchors } from '#detectors/dnssec';
import { type Asked, ask, Flag, Rcode, type Reply, Type } from '#response/ask';
import { type AuditCheck, failureOf, judge, type Make, maker, type Place, setsOf } from './dns-audit-ask.ts';

export interface Trial {
  /** How the resolver is called; its address where not told. */
  readonly subject?: string;
  /** A zone that is signed soundly; the root where none is known. */
  readonly sound?: string;
  /** A name whose signatures are known not to hold, and the type asked for: A where not told. */
  readonly broken?: string;
  readonly brokenType?: number;
  /** As `dns.anchors` of city.yaml; the root's where undefined. */
  readonly anchors?: readonly string[] | undefined;
  readonly nowSeconds: number;
}

export async function auditResolver(resolver: Place, trial: Trial): Promise<AuditCheck[]> {
  const check = maker(trial.subject ?? resolver.address);
  const sound = trial.sound ?? '.';
  const question = { ...resolver, name: sound, type: Type.SOA, dnssecOk: true };
  const [udp, tcp] = await Promise.all([ask(question), ask({ ...question, tcp: true })]);
  if ('failed' in udp)
    return [
      check(
        'answers',
        false,
        `It does not answer by UDP: ${udp.failed}${'failed' in tcp ? '' : '; by TCP it does'}.`,
        'See that it runs, and that it may be asked from this machine.',
      ),
    ];
  return [
    udp.rcode === Rcode.Refused
      ? check('answers', false, 'It refuses to answer us.', 'Allow this machine to ask it.')
      : check('answers', true, `It answers in ${udp.tookMs.toFixed(0)} ms.`),
    'failed' in tcp
      ? check(
          'tcp',
          false,
          `It does not answer by TCP: ${tcp.failed}. Long answers are lost.`,
          'Open port 53 of TCP (RFC 7766).',
        )
      : check('tcp', true, 'It answers by TCP.'),
    await validates(resolver, trial, sound, udp, check),
  ];
}

const switchOn = 'Switch DNSSEC validation on, with the root anchor and those of your own zones.';

async function validates(r: Place, trial: Trial, sound: string, udp: Reply, check: Make): Promise<AuditCheck> {
  const good = await claim(r, sound, udp);
  if (trial.broken === undefined || trial.broken === '')
    return check(
      'validates',
      good.ok === false ? false : undefined,
      good.ok === true ? `${good.text} Whether it refuses what is forged was not tried.` : good.text,
      good.ok === false ? switchOn : 'Name a domain whose signatures are broken: --broken NAME.',
    );
  const bad = await tried(r, trial, trial.broken);
  if (bad.refuses === undefined)
    return check('validates', good.ok === false ? false : undefined, `${bad.text} ${good.text}`, bad.remedy);
  if (!bad.refuses) return check('validates', false, bad.text, switchOn);
  return check('validates', good.ok ?? undefined, `${bad.text} ${good.text}`, 'See its trust anchors.');
}

/** What it says of a sound zone. Where that can't tell, the root is asked, which is always signed. */
async function claim(r: Place, sound: string, first: Reply): Promise<{ ok: boolean | undefined; text: string }> {
  if (says(first)) return { ok: true, text: `It says that ${sound} is validated (AD).` };
  const isSigned = signed(first);
  const about =
    first.rcode !== Rcode.NoError || first.answers.length === 0
      ? `It has no answer for ${sound}`
      : isSigned
        ? `It passes on ${sound} signed, but does not say that it validated it (no AD)`
        : `It passes on ${sound} without signatures`;
  if (sound !== '.') {
    const root = await ask({ ...r, name: '.', type: Type.SOA, dnssecOk: true });
    if (says(root))
      return { ok: undefined, text: `${about}; it says that the root is validated (AD). See the chain of ${sound}.` };
    if (failureOf(root) !== '' || ('answers' in root && root.answers.length === 0))
      // Without the root, a signed answer that is not said to be valid still tells.
      return isSigned
        ? { ok: false, text: `${about}: it does not validate, or has no anchor for it.` }
        : { ok: undefined, text: `${about}, and none for the root, so nothing can be told by them.` };
    return {
      ok: false,
      text: `It does not validate: neither ${sound} nor the root is said to be valid (AD)${signed(root) ? '' : ', and signatures are left out'}.`,
    };
  }
  if (first.rcode !== Rcode.NoError || first.answers.length === 0)
    return { ok: undefined, text: `${about} (the root), so nothing can be told by it.` };
  return { ok: false, text: `${about}: it does not validate, though the root is signed.` };
}

const says = (reply: Asked): boolean =>
  !('failed' in reply) && reply.rcode === Rcode.NoError && (reply.flags & Flag.AD) !== 0;
const signed = (reply: Asked): boolean => setsOf(reply).some((s) => s.signatures.length > 0);

interface Tried {
  readonly refuses: boolean | undefined;
  readonly text: string;
  readonly remedy: string;
}

/** The broken name with checking and without; and whether it is broken at all, by our own validator. */
async function tried(r: Place, trial: Trial, name: string): Promise<Tried> {
  const question = { ...r, name, type: trial.brokenType ?? Type.A, dnssecOk: true };
  const [checked, unchecked] = await Promise.all([ask(question), ask({ ...question, checkingDisabled: true })]);
  const unclear = (text: string, remedy = 'Name another domain whose signatures are broken.'): Tried => ({
    refuses: undefined,
    text,
    remedy,
  });
  if ('failed' in unchecked || unchecked.rcode === Rcode.ServFail || unchecked.rcode === Rcode.Refused)
    return unclear(`${name} does not answer even where checking is off, so nothing can be told by it.`);
  if ('failed' in checked) return unclear(`Asked for ${name}, it gives no answer: ${checked.failed}.`, 'Ask again.');
  if (checked.rcode === Rcode.ServFail && (checked.flags & Flag.AD) === 0)
    return { refuses: true, text: `It refuses ${name}, which answers where checking is off.`, remedy: '' };
  if (says(checked)) return unclear(`${name} is no test: it says that it is validated (AD).`);
  const asking = {
    by: r,
    nowSeconds: trial.nowSeconds,
    anchors: readAnchors(trial.anchors ?? ROOT_ANCHORS).anchors,
  };
  const own = await judge(asking, name, question.type, unchecked.message.bytes);
  if (own.status !== 'bogus') return unclear(`${name} is no test: its signatures are not broken. ${own.reason}`);
  return {
    refuses: false,
    text: `It hands out ${name} though its signatures do not hold: forged answers pass.`,
    remedy: switchOn,
  };
}
