// An iterating resolver over a scenario's servers: follows referrals and aliases, puts together one answer as a resolver would,
// and no cache beyond the delegations. Only for tests.

import { absolute, type TextRecord, wire } from './records.ts';
import type { Entry, Scenario } from './scenario.ts';

interface Reply {
  readonly rcode: number;
  readonly sections: readonly [TextRecord[], TextRecord[], TextRecord[]];
}

const rcodes: Readonly<Record<string, number>> = {
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMPL: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
};
const NS = 2;
const CNAME = 5;
const SOA = 6;
const DNAME = 39;
const DS = 43;
const RRSIG = 46;
const ANY = 255;

const within = (name: string, zone: string): boolean => zone === '.' || name === zone || name.endsWith(`.${zone}`);
const parent = (name: string): string => (name.includes('.') ? name.slice(name.indexOf('.') + 1) : '.');

export class Resolver {
  readonly #scenario: Scenario;
  /** Step of the scenario at which servers are asked. */
  step = 0;
  readonly #zones = new Map<string, string[]>();
  /** What a referral said of the cut's delegation signers, which a resolver keeps (RFC 4035 3.1.4). */
  readonly #delegations = new Map<string, Reply>();
  /** The last response to each question, for when no server answers any more. */
  readonly #responses = new Map<string, Buffer>();
  #queries = 0;
  /** Sections of the last answer. */
  answer: readonly TextRecord[] = [];
  authority: readonly TextRecord[] = [];

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    for (const [zone, addresses] of scenario.entryPoints) this.#zones.set(zone, addresses);
  }

  /** @returns the whole response in wire form; undefined where no server gives one */
  resolve(qname: string, qtype: number): Buffer | undefined {
    this.#queries = 0;
    const key = `${qname} ${qtype}`;
    const fresh = this.#fresh(qname, qtype);
    if (fresh !== undefined) this.#responses.set(key, fresh);
    return fresh ?? this.#responses.get(key);
  }

  #fresh(qname: string, qtype: number): Buffer | undefined {
    const answer: TextRecord[] = [];
    const authority: TextRecord[] = [];
    const additional: TextRecord[] = [];
    let name = qname;
    for (let alias = 0; alias < 12; alias++) {
      const found = this.#iterate(name, qtype);
      if (found === undefined) return undefined;
      const { reply, zone } = found;
      const own = reply.sections[0].filter((r) => within(r.owner, zone));
      const { chain, target } = follow(own, name, qtype);
      const isDone =
        target === undefined ||
        (reply.rcode !== 0 && within(target, zone)) ||
        own.some((r) => r.owner === target && r.type === qtype);
      answer.push(...(isDone ? own : chain));
      authority.push(...reply.sections[1].filter((r) => isDone || isDenialRecord(r)));
      additional.push(...reply.sections[2]);
      if (isDone || (target !== undefined && seen(answer, target))) {
        this.answer = dedupe(answer);
        this.authority = dedupe(authority);
        return encode(qname, qtype, reply.rcode, [this.answer, this.authority, additional]);
      }
      name = target;
    }
    return encode(qname, qtype, 0, [answer, authority]);
  }

  #iterate(name: string, qtype: number): { reply: Reply; zone: string } | undefined {
    const kept = qtype === DS ? this.#delegations.get(name) : undefined;
    if (kept !== undefined) return { reply: kept, zone: parent(name) };
    // Delegation signers are asked of the parent's servers.
    let zone = this.#deepest(qtype === DS && name !== '.' ? parent(name) : name);
    for (let depth = 0; depth < 16; depth++) {
      let referral: string | undefined;
      for (const address of this.#zones.get(zone) ?? []) {
        const reply = this.#ask(address, name, qtype);
        if (reply === undefined || (reply.rcode !== 0 && reply.rcode !== 3 && reply.rcode !== 6)) continue;
        referral = this.#referral(reply, name, zone, qtype);
        if (referral === undefined) return { reply, zone };
        break;
      }
      if (referral === undefined) return undefined;
      zone = referral;
    }
    return undefined;
  }

  #deepest(name: string): string {
    for (let n = name; ; n = parent(n)) if (this.#zones.has(n) || n === '.') return n;
  }

  #referral(reply: Reply, name: string, zone: string, qtype: number): string | undefined {
    const [answer, authority, additional] = reply.sections;
    if (this.#scenario.forwarded.has(zone)) return undefined;
    if (answer.length > 0 || reply.rcode !== 0 || authority.some((r) => r.type === SOA)) return undefined;
    const ns = authority.filter(
      (r) => r.type === NS && r.owner !== zone && within(r.owner, zone) && within(name, r.owner),
    );
    if (ns.length === 0 || (qtype === DS && ns[0]!.owner === name)) return undefined;
    const cut = ns[0]!.owner;
    const addresses: string[] = [];
    for (const r of ns) {
      const host = hostOf(r.rdata);
      const glue = additional.filter((a) => a.type === 1 && a.owner === host).map((a) => a.rdata.join('.'));
      addresses.push(...glue);
      if (glue.length === 0 && this.#queries < 60 && !within(host, cut)) {
        const found = this.#iterate(host, 1);
        for (const a of found?.reply.sections[0] ?? []) if (a.type === 1) addresses.push(a.rdata.join('.'));
      }
    }
    this.#zones.set(cut, addresses);
    const ds = authority.filter((r) => r.owner === cut && covered(r) === DS);
    const denial = authority.filter(isDenialRecord);
    if (ds.length > 0 || denial.length > 0) this.#delegations.set(cut, { rcode: 0, sections: [ds, denial, []] });
    return cut;
  }

  #ask(address: string, name: string, qtype: number): Reply | undefined {
    if (++this.#queries > 200) return undefined;
    for (const transport of ['UDP', 'TCP']) {
      const entry = this.#entry(address, name, qtype, transport);
      if (entry === undefined) continue;
      if (entry.flags.has('TC') && transport === 'UDP') continue;
      let rcode = 0;
      for (const f of entry.flags) rcode = rcodes[f] ?? rcode;
      return { rcode, sections: entry.sections };
    }
    return undefined;
  }

  #entry(address: string, name: string, qtype: number, transport: string): Entry | undefined {
    for (const range of this.#scenario.ranges) {
      if (this.step < range.from || this.step > range.to) continue;
      if (range.addresses.length > 0 && !range.addresses.includes(address)) continue;
      for (const e of range.entries) {
        if (e.match.has(transport === 'UDP' ? 'TCP' : 'UDP')) continue;
        if (e.match.has('qtype') && e.qtype !== qtype) continue;
        if (e.match.has('qname') && e.qname !== name) continue;
        if (e.match.has('subdomain') && !within(name, e.qname)) continue;
        return e;
      }
    }
    return undefined;
  }
}

function hostOf(rdata: Buffer): string {
  const labels: string[] = [];
  for (let at = 0; rdata[at]! > 0; at += 1 + rdata[at]!)
    labels.push(rdata.toString('latin1', at + 1, at + 1 + rdata[at]!));
  return absolute(labels.join('.'));
}

/** The record's type; of a signature, the type it covers. */
function covered(r: TextRecord): number {
  return r.type === RRSIG ? r.rdata.readUInt16BE(0) : r.type;
}

function isDenialRecord(r: TextRecord): boolean {
  return covered(r) === 47 || covered(r) === 50;
}

/** The alias records of an answer from `name` on, and the name they lead to; no target where the answer itself is there. */
function follow(records: readonly TextRecord[], name: string, qtype: number): { chain: TextRecord[]; target?: string } {
  const chain: TextRecord[] = [];
  let at = name;
  for (let i = 0; i < 12; i++) {
    if (records.some((r) => r.owner === at && (r.type === qtype || qtype === ANY))) return { chain };
    const dname = records.find((r) => r.type === DNAME && at !== r.owner && within(at, r.owner));
    const cname = records.find((r) => r.type === CNAME && r.owner === at);
    if (dname !== undefined) {
      chain.push(...withSignatures(records, dname));
      const made = `${at.slice(0, at.length - dname.owner.length)}${hostOf(dname.rdata)}`;
      if (made.length > 253) return { chain };
      if (cname !== undefined) chain.push(...withSignatures(records, cname));
      at = made;
    } else if (cname !== undefined) {
      chain.push(...withSignatures(records, cname));
      at = hostOf(cname.rdata);
    } else break;
  }
  return at === name ? { chain } : { chain, target: at };
}

function withSignatures(records: readonly TextRecord[], of: TextRecord): TextRecord[] {
  return records.filter(
    (r) => r.owner === of.owner && (r.type === of.type || (r.type === RRSIG && r.rdata.readUInt16BE(0) === of.type)),
  );
}

function seen(answer: readonly TextRecord[], name: string): boolean {
  return answer.some((r) => r.type === CNAME && r.owner === name);
}

function dedupe(records: readonly TextRecord[]): TextRecord[] {
  const keys = new Set<string>();
  return records.filter((r) => {
    const key = `${r.owner} ${r.type} ${r.rdata.toString('hex')}`;
    return !keys.has(key) && keys.add(key);
  });
}

/** A response of a recursive resolver (QR RD RA), uncompressed. */
export function encode(
  qname: string,
  qtype: number,
  rcode: number,
  sections: readonly (readonly TextRecord[])[],
): Buffer {
  const u16 = (n: number): Buffer => Buffer.from([n >> 8, n & 255]);
  const ttl = (n: number): Buffer => Buffer.from([n >>> 24, (n >> 16) & 255, (n >> 8) & 255, n & 255]);
  const [answer = [], authority = [], additional = []] = sections;
  return Buffer.concat([
    Buffer.from([0, 1, 0x81, 0x80 | rcode]),
    ...[1, answer.length, authority.length, additional.length].map(u16),
    wire(qname),
    u16(qtype),
    u16(1),
    ...[...answer, ...authority, ...additional].map((r) =>
      Buffer.concat([wire(r.owner), u16(r.type), u16(1), ttl(r.ttl), u16(r.rdata.length), r.rdata]),
    ),
  ]);
}
