// What the parts of the DNS audit share: the shape of a check, asking through a resolver, and the validator fed by asking.
import {
  type Anchor,
  nameOf,
  parseName,
  type Result,
  type Rrset,
  readMessage,
  textOf,
  validate,
  wireOf,
} from '#detectors/dnssec';
import { type Asked, ask, Rcode } from '#response/ask';

export interface AuditCheck {
  /** The zone or the resolver. */
  readonly subject: string;
  readonly what: string;
  /** undefined where asking can't tell. */
  readonly ok: boolean | undefined;
  readonly text: string;
  readonly remedy: string;
  /** Of the check `chain`: what the validator says of the zone. */
  readonly status?: Result['status'];
}

export interface Place {
  readonly address: string;
  readonly port: number;
  /** Our source address when asking. */
  readonly from?: string;
}

export interface Asking {
  readonly by: Place;
  readonly nowSeconds: number;
  readonly anchors: readonly Anchor[];
}

export type Make = (what: string, ok: boolean | undefined, text: string, remedy?: string) => AuditCheck;

export function maker(subject: string): Make {
  return (what, ok, text, remedy = '') => ({ subject, what, ok, text, remedy });
}

/** With CD, so that what the resolver would refuse is shown. */
export function through(asking: Asking, name: string, type: number): Promise<Asked> {
  return ask({ ...asking.by, name, type, dnssecOk: true, checkingDisabled: true });
}

/** One chain is fetched for at most so long; what is missing then counts as not to be had. */
const CHAIN_MS = 15_000;

/** The validator with messages fetched as it needs them. */
export async function judge(asking: Asking, name: string, type: number, bytes: Uint8Array): Promise<Result> {
  const until = performance.now() + CHAIN_MS;
  const steps = validate(bytes, { name: wireOf(parseName(name)!), type }, asking.anchors, asking.nowSeconds);
  for (let step = steps.next(); ; ) {
    if (step.done === true) return step.value;
    const reply: Asked =
      performance.now() > until
        ? { failed: 'no time left' }
        : await through(asking, textOf(nameOf(step.value.name)), step.value.type);
    step = steps.next('failed' in reply ? undefined : reply.message.bytes);
  }
}

/** Sets of records in answer and authority, signatures with the set they cover. */
export function setsOf(reply: Asked): readonly Rrset[] {
  const message = 'failed' in reply ? undefined : readMessage(reply.message.bytes);
  return message === undefined ? [] : [...message.answer, ...message.authority];
}

const errors: Readonly<Record<number, string>> = {
  [Rcode.FormErr]: 'FORMERR: it does not understand the question',
  [Rcode.ServFail]: 'SERVFAIL: it could not find out, or does not believe it',
  [Rcode.NxDomain]: 'NXDOMAIN: there is no such name',
  [Rcode.NotImp]: 'NOTIMP: it does not know how',
  [Rcode.Refused]: 'REFUSED: it does not serve those who ask from here',
};

/** Why a reply holds no data, in words; '' where it may. */
export function failureOf(reply: Asked): string {
  if ('failed' in reply) return reply.failed;
  return reply.rcode === Rcode.NoError ? '' : (errors[reply.rcode] ?? `response code ${reply.rcode}`);
}
