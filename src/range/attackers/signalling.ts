// Identity, tracking, key theft, false location and re-profiling of the district's SIMs, from a rented global title and
// a partner's realm; everything asked for is answered, a few interrogations are refused.
import type { Random } from '#lib/random';
import * as dia from '../encode/diameter.ts';
import * as map from '../encode/map.ts';
import { Ssn } from '../encode/sccp.ts';
import type { TruthLog } from '../truth.ts';
import type { Plan } from '../worlds/plan.ts';
import { homeNumbers, hss, mme, partnerNetworks, type SignallingLinks } from '../worlds/signalling.ts';

interface Target {
  readonly id: string;
  readonly imsi: string;
  readonly msisdn: string;
  readonly bus: number;
  readonly lte: boolean;
}
/** The rented title belongs to no partner; the location it claims is a partner's. */
const rentedGt = '254705550123';
const claimedVlr = `${partnerNetworks[0].gtPrefix}000077`;
const foreign: dia.DiameterParty = { host: `mme77.${partnerNetworks[1].realm}`, realm: partnerNetworks[1].realm };
const rogueApn = 'internet.m2m.example';
const minute = 60e6;
const hlr = { digits: homeNumbers.hlr, ssn: Ssn.hlr };
const caller = { digits: rentedGt, ssn: Ssn.gsmScf };

export function signallingTargets(plan: Plan): Target[] {
  const rtus = plan.rtus.filter((r) => r.cellular).map((r) => ({ ...r, lte: r.bus % 2 === 0 }));
  const meters = plan.meters.filter((m) => m.inDistrict).slice(0, 220);
  return [...rtus, ...meters];
}

export function attackSignalling(
  random: Random,
  links: SignallingLinks,
  plan: Plan,
  from: number,
  truth: TruthLog,
  campaign: string,
): void {
  const targets = signallingTargets(plan);
  const rtuCount = plan.rtus.filter((r) => r.cellular).length;
  const watched = targets.slice(0, rtuCount + 40);
  const steps = [
    ['signalling-identity', from, from + 8 * minute, targets],
    ['signalling-tracking', from + 4 * minute, from + 12 * minute, watched],
    ['signalling-key-theft', from + 9 * minute, from + 16 * minute, targets],
    ['signalling-false-location', from + 13 * minute, from + 20 * minute, targets],
    ['signalling-reprofile', from + 18 * minute, from + 20 * minute, targets.slice(0, rtuCount)],
  ] as const;
  for (const [what, at, until, assets] of steps) {
    const step = { at, until, plane: 'signalling', what, assets: assets.map((a) => a.id), campaign } as const;
    const mark = truth.begin(step, 'signalling.pcap');
    assets.forEach((target, i) => {
      const t = at + Math.floor(((until - at) * i) / assets.length) + random.integer(0, 200_000);
      act(what, t, target, links, random, mark);
    });
  }
}

function act(
  what: string,
  at: number,
  target: Target,
  links: SignallingLinks,
  random: Random,
  mark: (frame: number) => void,
): void {
  const { imsi, msisdn } = target;
  if (what === 'signalling-identity') {
    const bySms = random.chance(0.7);
    links.map(
      at,
      {
        operation: bySms ? 'sendRoutingInfoForSM' : 'sendIMSI',
        calling: { digits: rentedGt, ssn: Ssn.msc },
        called: hlr,
        argument: bySms ? map.routingForSmArgument(msisdn, rentedGt) : map.sendImsiArgument(msisdn),
        answer: bySms ? map.routingForSmResult(imsi, homeNumbers.vlr) : map.sendImsiResult(imsi),
      },
      mark,
    );
  } else if (what === 'signalling-tracking') {
    const location = map.subscriberInfoResult(2, homeNumbers.vlr, homeNumbers.plmn, 0x1001, target.bus);
    const refused = random.chance(0.2);
    const t = links.map(
      at,
      {
        operation: 'anyTimeInterrogation',
        calling: caller,
        called: hlr,
        argument: map.interrogationArgument(imsi, rentedGt),
        // 49 is ATI not allowed.
        answer: refused ? 49 : location,
      },
      mark,
    );
    links.map(t + 4e6, {
      operation: 'provideSubscriberInfo',
      calling: caller,
      called: { digits: homeNumbers.vlr, ssn: Ssn.vlr },
      argument: map.subscriberInfoArgument(imsi),
      answer: location,
    });
  } else if (what === 'signalling-key-theft') {
    if (target.lte) {
      const keys = links.secrets();
      const plmn = partnerNetworks[1].plmn;
      links.s6a(
        at,
        imsi,
        foreign,
        hss,
        (x) => dia.authenticationRequest(x, plmn),
        (x) => dia.authenticationAnswer(x, keys),
        mark,
      );
      return;
    }
    const answer = map.authenticationResult(links.secrets());
    const calling = { digits: rentedGt, ssn: Ssn.vlr };
    links.map(
      at,
      { operation: 'sendAuthenticationInfo', calling, called: hlr, argument: map.authenticationArgument(imsi), answer },
      mark,
    );
  } else if (what === 'signalling-false-location') {
    if (target.lte) {
      // The visited network named is not the realm that asks.
      const plmn = partnerNetworks[2].plmn;
      links.s6a(
        at,
        imsi,
        foreign,
        hss,
        (x) => dia.locationRequest(x, plmn),
        (x) => dia.locationAnswer(x, msisdn, rogueApn),
        mark,
      );
      return;
    }
    links.map(
      at,
      {
        operation: 'updateLocation',
        calling: { digits: rentedGt, ssn: Ssn.vlr },
        called: hlr,
        argument: map.updateLocationArgument(imsi, claimedVlr, claimedVlr),
        answer: map.updateLocationResult(homeNumbers.hlr),
      },
      mark,
    );
  } else if (target.lte) {
    const claimed = { host: `hss77.${foreign.realm}`, realm: foreign.realm };
    links.s6a(
      at,
      imsi,
      claimed,
      mme,
      (x) => dia.profileRequest(x, msisdn, rogueApn),
      (x) => dia.profileAnswer(x),
      mark,
    );
  } else {
    links.map(
      at,
      {
        operation: 'insertSubscriberData',
        calling: { digits: rentedGt, ssn: Ssn.hlr },
        called: { digits: homeNumbers.vlr, ssn: Ssn.vlr },
        argument: map.subscriberDataArgument(imsi, msisdn),
        answer: map.subscriberDataResult(),
      },
      mark,
    );
  }
}
