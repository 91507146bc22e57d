// The operator's signalling as the city's probe sees it: meters attach at home, people roam in and out, short messages
// are routed, the home gsmSCF asks where its meters are. M3UA and Diameter S6a, each over SCTP.
import type { Random } from '#lib/random';
import * as dia from '../encode/diameter.ts';
import { ipv4 } from '../encode/ethernet.ts';
import { m3uaData, m3uaProtocol } from '../encode/m3ua.ts';
import * as map from '../encode/map.ts';
import { type SccpAddress, Ssn, unitdata } from '../encode/sccp.ts';
import { SctpAssociation } from '../encode/sctp.ts';
import { begin, end, invoke, result, returnError } from '../encode/tcap.ts';
import type { Emit } from '../encode/tcp.ts';
import { type Meter, meterApn, type Plan } from './plan.ts';

export const homeNumbers = {
  plmn: '00101',
  gtPrefix: '99970',
  realm: 'epc.mnc001.mcc001.3gppnetwork.org',
  hlr: '99970000001',
  smsc: '99970000050',
  gsmScf: '99970000060',
  vlr: '99970010011',
} as const;
const realmOf = (plmn: string): string => `epc.mnc0${plmn.slice(3)}.mcc${plmn.slice(0, 3)}.3gppnetwork.org`;
export const partnerNetworks = [
  { plmn: '20810', gtPrefix: '33689', realm: realmOf('20810'), gtpNode: '192.0.2.30/32' },
  { plmn: '23410', gtPrefix: '447785', realm: realmOf('23410'), gtpNode: '192.0.2.40/32' },
  { plmn: '26202', gtPrefix: '49172', realm: realmOf('26202'), gtpNode: '192.0.2.50/32' },
] as const;
export const hss: dia.DiameterParty = { host: `hss01.${homeNumbers.realm}`, realm: homeNumbers.realm };
export const mme: dia.DiameterParty = { host: `mme01.${homeNumbers.realm}`, realm: homeNumbers.realm };

export interface Dialogue {
  readonly operation: keyof typeof map.MapOperation;
  readonly calling: SccpAddress;
  readonly called: SccpAddress;
  readonly argument: readonly number[];
  /** The result's parameter, or an error code. */
  readonly answer: readonly number[] | number;
}

/** The links the probe taps. */
export class SignallingLinks {
  readonly #ss7: SctpAssociation;
  readonly #s6a: SctpAssociation;
  readonly #random: Random;
  #transaction = 0x10000;
  #hop = 1000;

  constructor(random: Random, emit: Emit, startAt: number) {
    this.#random = random;
    this.#ss7 = new SctpAssociation(
      emit,
      { ip: ipv4('192.0.2.10'), port: 2905 },
      { ip: ipv4('192.0.2.2'), port: 2905 },
    );
    this.#s6a = new SctpAssociation(
      emit,
      { ip: ipv4('192.0.2.11'), port: 3868 },
      { ip: ipv4('192.0.2.3'), port: 3868 },
    );
    this.#ss7.open(startAt);
    this.#s6a.open(startAt + 50_000);
  }
  /** One MAP dialogue, request and answer; returns the time after it. */
  map(at: number, d: Dialogue, onFrame?: (frame: number) => void): number {
    const { code, context, version } = map.MapOperation[d.operation];
    const id = this.#transaction++;
    const sls = id & 15;
    const request = begin(id, context, version, invoke(code, d.argument));
    const component = typeof d.answer === 'number' ? returnError(d.answer) : result(code, d.answer);
    const answerAt = at + this.#random.integer(20_000, 140_000);
    const asked = m3uaData(101, 202, sls, unitdata(d.called, d.calling, request));
    this.#ss7.data(at, 0, m3uaProtocol, asked, onFrame);
    const answered = m3uaData(202, 101, sls, unitdata(d.calling, d.called, end(id, context, version, component)));
    this.#ss7.data(answerAt, 1, m3uaProtocol, answered);
    return answerAt + 10_000;
  }
  /** One S6a transaction; `request` and `answer` are built from the same head. */
  s6a(
    at: number,
    imsi: string,
    from: dia.DiameterParty,
    to: dia.DiameterParty,
    request: (t: dia.DiameterTransaction) => Uint8Array,
    answer: (t: dia.DiameterTransaction) => Uint8Array,
    onFrame?: (frame: number) => void,
  ): number {
    const hopByHop = this.#hop++;
    const t = { session: `${from.host};${hopByHop};${imsi.slice(-6)}`, hopByHop, imsi, from, to };
    const side = to.host === hss.host || from.realm !== homeNumbers.realm ? 0 : 1;
    this.#s6a.data(at, side, dia.diameterProtocol, request(t), onFrame);
    const answerAt = at + this.#random.integer(8_000, 90_000);
    this.#s6a.data(answerAt, side === 0 ? 1 : 0, dia.diameterProtocol, answer(t));
    return answerAt + 10_000;
  }
  secrets(): Uint8Array {
    const bytes = new Uint8Array(72);
    this.#random.fill(bytes);
    return bytes;
  }
}

const hlr: SccpAddress = { digits: homeNumbers.hlr, ssn: Ssn.hlr };
const homeVlr: SccpAddress = { digits: homeNumbers.vlr, ssn: Ssn.vlr };

export class Signalling {
  readonly links: SignallingLinks;
  readonly #plan: Plan;
  readonly #random: Random;
  readonly #stormAt: number;

  constructor(random: Random, links: SignallingLinks, plan: Plan, attackAt: number) {
    this.links = links;
    this.#plan = plan;
    this.#random = random;
    // A decoy: a ferry lands 45 minutes before the attack and its guests attach within minutes.
    this.#stormAt = attackAt - 45 * 60e6;
  }
  window(from: number, until: number): void {
    const random = this.#random;
    const span = until - from;
    const within = (): number => from + random.integer(0, span - 1);
    for (const device of [...this.#plan.meters, ...this.#plan.rtus.filter((r) => r.cellular)]) {
      if (random.chance(span / (12 * 3600e6))) this.#attachAtHome(within(), device as Meter);
    }
    const storm = this.#stormAt >= from && this.#stormAt < until ? 120 : 0;
    for (let n = storm; n > 0; n--) this.#inbound(within());
    if (random.chance(0.5)) this.#inbound(within());
    if (random.chance(0.4)) this.#outbound(within());
    if (random.chance(0.6)) this.#shortMessage(within());
    if (random.chance(0.3)) this.#ownInterrogation(within());
  }
  #attachAtHome(at: number, device: { imsi: string; msisdn: string; lte?: boolean }): void {
    const { imsi, msisdn } = device;
    if (device.lte !== false) {
      const keys = this.links.secrets();
      const t = this.links.s6a(
        at,
        imsi,
        mme,
        hss,
        (x) => dia.authenticationRequest(x, homeNumbers.plmn),
        (x) => dia.authenticationAnswer(x, keys),
      );
      this.links.s6a(
        t,
        imsi,
        mme,
        hss,
        (x) => dia.locationRequest(x, homeNumbers.plmn),
        (x) => dia.locationAnswer(x, msisdn, meterApn),
      );
      return;
    }
    this.#locate(at, imsi, homeVlr, hlr, homeNumbers.hlr);
  }
  #locate(at: number, imsi: string, vlr: SccpAddress, home: SccpAddress, hlrDigits: string): void {
    const keys = map.authenticationResult(this.links.secrets());
    const t = this.links.map(at, {
      operation: 'sendAuthenticationInfo',
      calling: vlr,
      called: home,
      argument: map.authenticationArgument(imsi),
      answer: keys,
    });
    this.links.map(t + 200_000, {
      operation: 'updateLocation',
      calling: vlr,
      called: home,
      argument: map.updateLocationArgument(imsi, vlr.digits, vlr.digits),
      answer: map.updateLocationResult(hlrDigits),
    });
  }
  /** A guest: a partner's subscriber attaches here. */
  #inbound(at: number): void {
    const partner = this.#random.pick(partnerNetworks);
    const imsi = `${partner.plmn}${String(this.#random.integer(1e8, 2e9 - 1)).padStart(10, '0')}`;
    const home = { digits: `${partner.gtPrefix}000001`, ssn: Ssn.hlr };
    this.#locate(at, imsi, homeVlr, home, home.digits);
  }
  /** A traveller: one of our people attaches at a partner. People's numbers begin 001010001. */
  #outbound(at: number): void {
    const traveller = String(this.#random.integer(0, 400)).padStart(6, '0');
    // Each traveller stays with one partner, so that no one flies in minutes.
    const visited = partnerNetworks[Number(traveller) % partnerNetworks.length]!;
    this.#locate(
      at,
      `001010001${traveller}`,
      { digits: `${visited.gtPrefix}000011`, ssn: Ssn.vlr },
      hlr,
      homeNumbers.hlr,
    );
  }
  #shortMessage(at: number): void {
    const partner = this.#random.pick(partnerNetworks);
    const person = String(this.#random.integer(0, 4000)).padStart(6, '0');
    const centre = `${partner.gtPrefix}000050`;
    this.links.map(at, {
      operation: 'sendRoutingInfoForSM',
      calling: { digits: centre, ssn: Ssn.msc },
      called: hlr,
      argument: map.routingForSmArgument(`99970001${person}`, centre),
      answer: map.routingForSmResult(`001010001${person}`, homeNumbers.vlr),
    });
  }
  /** The operator's own service control asks for a meter: honest. */
  #ownInterrogation(at: number): void {
    const meter = this.#random.pick(this.#plan.meters);
    this.links.map(at, {
      operation: 'anyTimeInterrogation',
      calling: { digits: homeNumbers.gsmScf, ssn: Ssn.gsmScf },
      called: hlr,
      argument: map.interrogationArgument(meter.imsi, homeNumbers.gsmScf),
      answer: map.subscriberInfoResult(3, homeNumbers.vlr, homeNumbers.plmn, 0x1001, meter.bus),
    });
  }
}
