// Hosts that are asked by the same name again and again: their records, and when the resolver last fetched them.
import { publicAddress } from '../net.ts';
import { type Answer, a, aaaa, cname, https, Rtype, wireName } from './answers.ts';
import { noAnswers } from './exchange.ts';

export class Host {
  readonly wire: Uint8Array;
  readonly hash: number;
  readonly ttlSeconds: number;
  readonly a: readonly Answer[];
  readonly aaaa: readonly Answer[];
  readonly https: readonly Answer[];
  /** When the resolver fetched A, AAAA and HTTPS; -Infinity before. */
  readonly fetchedAt = new Float64Array(3).fill(Number.NEGATIVE_INFINITY);

  /** `address` is IPv4 as a number; without it the host has a public one of its name's own. */
  constructor(name: string, ttlSeconds: number, address?: number) {
    this.wire = wireName(name);
    this.ttlSeconds = ttlSeconds;
    const own = address ?? publicAddress(name);
    this.hash = publicAddress(`hash of ${name}`) ^ Math.imul(this.wire.length, 0x9e3779b1);
    const inside = address !== undefined;
    // Half of the public hosts stand behind a content network, most have IPv6, some announce HTTP/3.
    const alias = !inside && (this.hash & 1) === 1;
    const target = alias ? wireName(`${(this.hash >>> 8).toString(16)}.edge.content.example`) : this.wire;
    const path = alias ? [cname(target, 300)] : [];
    const addresses = [a(own, ttlSeconds)];
    if (!inside && (this.hash & 6) === 6) addresses.push(a(own + 1, ttlSeconds));
    this.a = [...path, ...addresses];
    this.aaaa = !inside && (this.hash & 24) !== 0 ? [...path, aaaa(own, ttlSeconds)] : inside ? noAnswers : path;
    this.https = !inside && (this.hash & 96) === 0 ? [...path, https(ttlSeconds)] : inside ? noAnswers : path;
  }
  answers(qtype: number): readonly Answer[] {
    return qtype === Rtype.A ? this.a : qtype === Rtype.AAAA ? this.aaaa : this.https;
  }
  slot(qtype: number): number {
    return qtype === Rtype.A ? 0 : qtype === Rtype.AAAA ? 1 : 2;
  }
}
