// What one message is, given who may send it. Pure: from a message, the networks of its parties and what is known of the
// subscriber to claims. Categories are those of GSMA FS.11 as publicly described: 1 never legitimate from outside, 2 only from
// the subscriber's home, 3 only from the network it now visits. They depend on operation, direction and subsystem, not on the
// operation alone.
import type { Operators } from '#city';
import type { SignallingMessage } from '#events';
import type { Subscriber } from './subscriber.ts';

export type Idea = 'tracking' | 'keys' | 'registration' | 'falseOrigin' | 'denial' | 'profile' | 'evasion' | 'spoofing';

export interface Claim {
  readonly idea: Idea;
  readonly category: '1' | '2' | '3' | 'SMS' | '-';
  /** What was seen, as a reason; strongest first. */
  readonly why: readonly string[];
  /** Said for context alone: no finding without another claim. */
  readonly weak: boolean;
}

/** Operations by what they ask for; MAP codes and Diameter commands never meet (Diameter's are 257 and up). */
const location1 = new Set([22, 24, 62, 71, 83, 85, 306, 8388620, 8388622]);
const location2 = new Set([4, 70]);
const identity1 = new Set([58]);
const sms = new Set([45, 8388647]);
const keys1 = new Set([55]);
const keys3 = new Set([56, 318]);
const registration = new Set([2, 23, 53, 57, 316]);
const denial2 = new Set([3, 8, 37, 317, 320, 322]);
const denial3 = new Set([67, 321, 323]);
const profile = new Set([7, 65, 319]);

/** Forms that no standard allows and that were used to pass firewalls; long and indefinite lengths are legal BER. */
const evasive: Readonly<Record<string, string>> = {
  TCAP_EXTENDED_TAG: 'a tag in the multi-octet form that hides it from shallow decoders',
  MAP_EXTENDED_TAG: 'an argument tag in the multi-octet form that hides the subscriber from shallow decoders',
  TCAP_GLOBAL_OPCODE: 'a global operation code where a local one belongs',
  TCAP_OPCODE_PADDED: 'an operation code padded with zeros',
  TCAP_TID_LENGTH: 'a transaction id of a forbidden length',
  TCAP_DIALOGUE: 'a dialogue portion that is none',
  TCAP_CONTEXT_PADDED: 'an application context padded against the rules',
  TCAP_COMPONENT_TAG: 'a component tag that no standard knows',
  TCAP_TRAILING: 'a second message behind the first',
  TCAP_NOT_BEGUN: 'an operation in a dialogue that never began',
  TCAP_INVOKE_IN_END: 'an operation in the end of a dialogue',
  TCAP_UNIDIRECTIONAL: 'an operation in a message that can have no answer',
  TCAP_ANSI: 'an ANSI message on an ITU link',
  SCCP_POINTER_GAP: 'SCCP pointers that leave a gap',
  SCCP_POINTER_ORDER: 'SCCP parts out of order',
  SCCP_SSN: 'a called subsystem number that is none',
  DIAMETER_AVP_LENGTH: 'an AVP whose length does not fit',
  DIAMETER_DEPTH: 'groups nested deeper than any peer needs',
  DIAMETER_VENDOR_BIT: 'a 3GPP AVP without its vendor bit',
  DIAMETER_AVP_COUNT: 'more AVPs than any message needs',
};

/** Origins and applications that do not fit. */
const spoofs: Readonly<Record<string, string>> = {
  DIAMETER_DUPLICATE_AVP: 'an identity given twice, so that filter and peer may read different ones',
  DIAMETER_APPLICATION: 'a command under an application that does not have it',
  DIAMETER_RELAY_APPLICATION: 'the relay application id in a request',
};

export interface Parties {
  /** Networks of the sender and of the addressed node. */
  readonly sender: number;
  readonly receiver: number;
  readonly ours: boolean;
  readonly stationary: boolean;
}

export function partiesOf(m: SignallingMessage, operators: Operators): Omit<Parties, 'stationary'> {
  const diameter = m.protocol === 'diameter';
  const sender = diameter ? operators.ofRealm(m.originRealm) : operators.ofNumber(m.calling);
  let receiver = diameter ? operators.ofRealm(m.destinationRealm) : operators.ofNumber(m.called);
  // HLRs are reached by E.212 and subscriber numbers too.
  if (!diameter && receiver < 0 && operators.ofImsi(m.called) === 0) receiver = 0;
  const named = m.imsi !== '' || m.msisdn !== '';
  return { sender, receiver, ours: named ? operators.isOurs(m.imsi, m.msisdn) : receiver === 0 };
}

/** All claims that a message gives rise to; empty for ordinary life. */
export function judge(m: SignallingMessage, p: Parties, s: Subscriber | undefined, operators: Operators): Claim[] {
  const claims: Claim[] = [];
  const outside = p.sender !== 0 && p.sender !== -2;
  if (!p.ours) return claims;
  const about = byOperation(m, p, s, operators, outside);
  if (about !== undefined) claims.push(about);
  if (m.protocol === 'diameter') {
    const spoof = spoofing(m, p, operators);
    if (spoof.length > 0) claims.push({ idea: 'spoofing', category: '-', why: spoof, weak: false });
  }
  const forms = m.oddities.map((o) => evasive[o]).filter((t) => t !== undefined);
  if (m.operation < 0) forms.unshift('it could not be decoded, on a link between networks');
  if (forms.length > 0 && outside) claims.push({ idea: 'evasion', category: '-', why: forms, weak: false });
  return claims;
}

function byOperation(
  m: SignallingMessage,
  p: Parties,
  s: Subscriber | undefined,
  operators: Operators,
  outside: boolean,
): Claim | undefined {
  const op = m.operation;
  if (m.protocol === 'cap' || op < 0) return undefined;
  const who = p.sender === -1 ? 'a network that is neither ours nor a partner' : 'another network';
  if (!outside) {
    // A request in our own name that is routed by the subscriber's number does not know the home register: it came in from outside.
    if (p.sender === 0 && m.msisdn !== '' && m.called === m.msisdn && location1.has(op))
      return {
        idea: 'tracking',
        category: '1',
        weak: false,
        why: [
          'the sender bears a home address and yet reaches for the home register by the subscriber number, as outsiders do',
        ],
      };
    return profileChange(m, p);
  }
  if (location1.has(op)) return claim('tracking', '1', `${who} may never ask this (category 1)`);
  if (identity1.has(op)) return claim('tracking', '1', `${who} may never ask for the identity (category 1)`);
  if (location2.has(op))
    return claim('tracking', '2', 'only the home network may ask this of a visited one (category 2)');
  if (sms.has(op))
    return p.sender === -1
      ? claim('tracking', 'SMS', `${who} asks where to deliver a message, and learns identity and switch`)
      : undefined;
  if (keys1.has(op))
    return claim(
      'keys',
      '1',
      `identity and keys pass between neighbouring switches only (category 1), and ${who} asks`,
    );
  if (keys3.has(op)) {
    if (p.sender === -1) return claim('keys', '3', `${who} asks for keys (category 3)`, ...elsewhere(p, s));
    return undefined;
  }
  if (registration.has(op)) return registers(m, p, s, operators, who);
  if (denial2.has(op)) return claim('denial', '2', 'only the home network may send this (category 2)');
  if (denial3.has(op))
    return s !== undefined && s.serving >= 0 && s.serving !== p.sender
      ? claim(
          'denial',
          '3',
          `only the visited network may send this (category 3), and the device is registered elsewhere`,
        )
      : undefined;
  if (profile.has(op)) {
    if (m.asksLocation === true) return claim('tracking', '2', 'only the home network may ask this (category 2)');
    return claim('profile', '2', 'only the home network may change a profile (category 2)', ...foreignApn(m));
  }
  return undefined;
}

function claim(idea: Idea, category: Claim['category'], ...why: string[]): Claim {
  return { idea, category, why, weak: false };
}

function foreignApn(m: SignallingMessage): string[] {
  return m.apn === '' ? [] : [`the new profile names the access point ${m.apn}`];
}

/** A profile from home that moves a device with a fixed access point to another one. */
function profileChange(m: SignallingMessage, p: Parties): Claim | undefined {
  if (!p.stationary || !profile.has(m.operation) || m.apn === '') return undefined;
  return { idea: 'profile', category: '-', weak: true, why: foreignApn(m) };
}

function registers(
  m: SignallingMessage,
  p: Parties,
  s: Subscriber | undefined,
  operators: Operators,
  who: string,
): Claim | undefined {
  if (m.protocol === 'map' && m.servingNode !== '') {
    const node = operators.ofNumber(m.servingNode);
    if (node !== -2 && node !== p.sender)
      return claim(
        'falseOrigin',
        '3',
        `the request comes from ${m.calling} but names ${m.servingNode}, a node of ${node === 0 ? 'the home network' : 'another network'}, as the place of the device`,
      );
  }
  if (p.sender === -1)
    return claim('registration', '3', `${who} registers the device (category 3)`, ...elsewhere(p, s));
  if (p.stationary && s !== undefined && s.serving > 0 && s.serving !== p.sender && m.at - s.servingAt < 3600e6)
    return claim('registration', '3', 'a stationary device changed networks within an hour');
  return undefined;
}

function elsewhere(p: Parties, s: Subscriber | undefined): string[] {
  return s !== undefined && s.serving >= 0 && s.serving !== p.sender ? ['the device is registered elsewhere'] : [];
}

function spoofing(m: SignallingMessage, p: Parties, operators: Operators): string[] {
  const why: string[] = [];
  for (const o of m.oddities) {
    const text = spoofs[o];
    if (text !== undefined) why.push(text);
  }
  if (
    m.calling !== '' &&
    m.originRealm !== '' &&
    !m.calling.endsWith(`.${m.originRealm}`) &&
    m.calling !== m.originRealm
  )
    why.push(`the host ${m.calling} is not in the realm ${m.originRealm} it claims`);
  const realmPlmn = operators.plmnOfRealm(m.originRealm);
  if (m.visitedPlmn !== '' && realmPlmn !== '' && !operators.samePlmn(m.visitedPlmn, realmPlmn))
    why.push(`the visited network ${m.visitedPlmn} is not that of the realm ${m.originRealm}`);
  // Agents append the peer they had the request from (RFC 6733, 6.1.8); a home request with an outside hop came from there.
  const hop = m.routeRecords.find((r) => operators.ofRealm(r) === -1);
  if (p.sender === 0 && hop !== undefined) why.push(`it claims to come from home but passed ${hop}`);
  return why;
}
