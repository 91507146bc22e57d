// Whose network an identity of the signalling plane belongs to: ours, a partner's, or another's. From city.signalling, an
// IR.21-style list of number ranges, realms and PLMN codes.
import type { City, Partner } from './city.ts';

/** 0 ours; 1, 2... the partners in their order; -1 another network; -2 it can't be told. */
export type Operator = number;

export class Operators {
  /** Whether the city file says anything about signalling. */
  readonly known: boolean;
  readonly #plans: readonly Partner[];
  readonly #city: City;

  constructor(city: City) {
    this.#city = city;
    this.#plans = [city.signalling, ...city.signalling.partners];
    this.known = this.#plans.some((p) => p.plmn.length + p.gtPrefixes.length + p.realms.length > 0);
  }

  /** By global title or any E.164 number of a node or subscriber. E.214 titles are not resolved. */
  ofNumber(digits: string): Operator {
    if (!this.known || !/^\d{5,}$/.test(digits)) return -2;
    return this.#longest(digits, (p) => p.gtPrefixes);
  }

  ofImsi(imsi: string): Operator {
    if (!this.known || imsi.length < 6) return -2;
    return this.#longest(imsi, (p) => p.plmn);
  }

  /** By realm or host name: below or equal to a listed realm, on label boundaries. */
  ofRealm(name: string): Operator {
    if (!this.known || name === '') return -2;
    for (let i = 0; i < this.#plans.length; i++)
      for (const realm of this.#plans[i]!.realms) if (name === realm || name.endsWith(`.${realm}`)) return i;
    const plmn = this.plmnOfRealm(name);
    return plmn === '' ? -1 : this.ofPlmn(plmn);
  }

  /** By MCC and MNC digits, with a two- or three-digit MNC. */
  ofPlmn(plmn: string): Operator {
    if (!this.known || plmn.length < 5) return -2;
    for (let i = 0; i < this.#plans.length; i++)
      for (const p of this.#plans[i]!.plmn) if (wide(p) === wide(plmn)) return i;
    return -1;
  }

  /** MCC and three-digit MNC out of a 3GPP realm (TS 23.003, 19.2); '' for other names. */
  plmnOfRealm(name: string): string {
    const found = /(?:^|\.)mnc(\d{3})\.mcc(\d{3})\.3gppnetwork\.org$/.exec(name);
    return found === null ? '' : `${found[2]}${found[1]}`;
  }

  /** Whether two PLMN codes are one network: the same digits, or of one plan in the city file. */
  samePlmn(a: string, b: string): boolean {
    if (wide(a) === wide(b)) return true;
    const plan = this.ofPlmn(a);
    return plan >= 0 && plan === this.ofPlmn(b);
  }

  /** Whether the subscriber is one of ours: a listed asset, or in our ranges. */
  isOurs(imsi: string, msisdn: string): boolean {
    if (imsi !== '') return this.#city.assetByImsi(imsi) !== undefined || this.ofImsi(imsi) === 0;
    if (msisdn === '') return false;
    return this.#city.assetByMsisdn(msisdn) !== undefined || this.ofNumber(msisdn) === 0;
  }

  #longest(digits: string, prefixes: (p: Partner) => readonly string[]): Operator {
    let best = -1;
    let length = 0;
    for (let i = 0; i < this.#plans.length; i++) {
      for (const prefix of prefixes(this.#plans[i]!)) {
        if (prefix.length > length && digits.startsWith(prefix)) {
          best = i;
          length = prefix.length;
        }
      }
    }
    return best;
  }
}

/** Realms always write three digits of MNC; a PLMN of five digits has its MNC padded. */
function wide(plmn: string): string {
  return plmn.length === 5 ? `${plmn.slice(0, 3)}0${plmn.slice(3)}` : plmn;
}
