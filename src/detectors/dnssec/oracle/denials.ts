// Aggressive use of cached denials (RFC 8198) as a resolver does it: NSEC records of answers found secure, and the SOA beside
// them, are kept for their lifetime and put together to an answer of their own. Only for tests.
import type { TextRecord } from './records.ts';
import { encode } from './resolver.ts';

const NXDOMAIN = 3;
const SOA = 6;
const RRSIG = 46;
const NSEC = 47;

interface Kept {
  readonly record: TextRecord;
  readonly untilSeconds: number;
}

export class CachedDenials {
  readonly #kept = new Map<string, Kept>();

  /** @param authority of an answer found secure */
  keep(authority: readonly TextRecord[], nowSeconds: number): void {
    const soa = authority.find((r) => r.type === SOA);
    // No longer than a denial lives: the lesser of the SOA's lifetime and its last field (RFC 2308 5, RFC 8198 5.4).
    const most = soa === undefined ? 0 : Math.min(soa.ttl, soa.rdata.readUInt32BE(soa.rdata.length - 4));
    for (const record of authority) {
      const type = record.type === RRSIG ? record.rdata.readUInt16BE(0) : record.type;
      if (type !== NSEC && type !== SOA) continue;
      const key = `${record.owner} ${record.type} ${record.rdata.toString('hex')}`;
      this.#kept.set(key, { record, untilSeconds: nowSeconds + Math.min(record.ttl, most) });
    }
  }

  /** Answers that what is kept would make: the name does not exist, or has no such type. */
  *answers(qname: string, qtype: number, nowSeconds: number): Generator<Buffer> {
    const alive = [...this.#kept.values()].filter((k) => k.untilSeconds > nowSeconds).map((k) => k.record);
    if (alive.length === 0) return;
    for (const rcode of [NXDOMAIN, 0]) yield encode(qname, qtype, rcode, [[], alive]);
  }
}
