// dnsmasq with log-queries, plain or =extra, and Pi-hole's FTL, which is built on it: a line for the query, one for where it was
// sent, and one for each record of the answer. The lines of an answer follow each other; with =extra a serial number ties them to
// their query, without it the name must do. A name with an octet that does not print is written as `<name unprintable>`, all alike.
import { isIPv4, isIPv6 } from 'node:net';
import { Answers, type DnsEntry, dnsRcode, dnsType, emptyEntry, type Ready } from '../lines/index.ts';
import { type Grammar, type Log, type LogFormat, portOf } from './format.ts';
import { Pending } from './pending.ts';

export const dnsmasq: LogFormat = {
  name: 'dnsmasq',
  reads: 'dnsmasq and Pi-hole query logs',
  doesNotTell: [
    'names with octets that do not print, as base128 tunnels write them (<name unprintable>): their rows have no name',
    'message ids, sizes, transport and header flags; client ports, unless log-queries=extra',
    'text of TXT and most other records, and TTLs',
    'parts of a second, and the year',
  ],
  mark: /^(?:[^\s"]+ +){0,4}dnsmasq(?:\[\d+\])?: /m,
  create: () => new DnsmasqLines(),
};

const UNPRINTABLE = '<name unprintable>';
const serial = /(\d+) ([0-9a-fA-F.:%]+)\/(\d{1,5}) /y;
const query = /(?:query|auth)\[([^\]\s]+)\] (.*) from ([0-9a-fA-F.:%]+)$/y;
const answer =
  /(?:reply|cached(?:-stale)?|config|auth|DHCP|\/\S+|(?:gravity|regex|exactly|special|Pi-hole) \S+) (.*?) is (.*)$/y;

/** An answer whose further records may follow. */
interface Held {
  readonly row: Ready<DnsEntry>;
  readonly query: DnsEntry;
  readonly key: string;
  readonly hasSerial: boolean;
  isAlias: boolean;
}

class DnsmasqLines implements Grammar {
  readonly #pending = new Pending();
  #held: Held | undefined;

  read(text: string, from: number, log: Log): string {
    const process = text.indexOf('dnsmasq', from);
    const colon = process < 0 ? -1 : text.indexOf(': ', process);
    if (colon < 0) return 'RESOLVER_LINE';
    serial.lastIndex = colon + 2;
    const extra = serial.exec(text);
    const at = extra === null ? colon + 2 : serial.lastIndex;
    query.lastIndex = at;
    const asked = query.exec(text);
    if (asked !== null) return this.#query(asked, extra, log);
    if (text.startsWith('query[', at)) return 'RESOLVER_LINE';
    answer.lastIndex = at;
    const answered = answer.exec(text);
    if (answered !== null) this.#answer(answered[1]!, answered[2]!, extra?.[1], log);
    else if (text.startsWith('forwarded ', at)) this.#forwarded(extra?.[1], log);
    else this.end(log);
    return '';
  }

  end(log: Log): void {
    if (this.#held !== undefined) log.out.push(this.#held.row);
    this.#held = undefined;
  }

  #query(found: RegExpExecArray, extra: RegExpExecArray | null, log: Log): string {
    this.end(log);
    const name = found[2]!;
    const entry = emptyEntry();
    // Nothing in the name is escaped, so a backslash is itself.
    entry.name = name === UNPRINTABLE ? '' : name.replaceAll('\\', '\\\\');
    entry.client = extra?.[2] ?? found[3]!;
    entry.clientPort = portOf(extra?.[3] ?? '');
    const fault = log.add(entry, found[1]!);
    this.#pending.put(extra?.[1] ?? name, entry, found.input);
    return name === UNPRINTABLE ? 'RESOLVER_NAME_HIDDEN' : fault;
  }

  #answer(name: string, value: string, number: string | undefined, log: Log): void {
    const held = this.#held;
    const isMore =
      held !== undefined && (number === undefined ? held.isAlias || name === held.key : number === held.key);
    if (isMore && held.hasSerial === (number !== undefined)) {
      addValue(held, value);
      return;
    }
    this.end(log);
    const key = number ?? name;
    const asked = this.#pending.take(key, number === undefined ? (q) => fits(q.qtype, value) : undefined);
    if (asked === undefined) return;
    const entry = { ...asked, isResponse: true, rcode: 0, flags: 0x8000, answers: new Answers() };
    this.#held = { row: log.row(entry), query: asked, key, hasSerial: number !== undefined, isAlias: false };
    addValue(this.#held, value);
  }

  /** An alias came from the cache and its target must be asked for: the answer is still to come. */
  #forwarded(number: string | undefined, log: Log): void {
    const held = this.#held;
    if (held?.isAlias && (number === undefined || number === held.key)) {
      this.#pending.put(held.key, held.query, held.key);
      this.#held = undefined;
    } else this.end(log);
  }
}

/** Whether a query of this type can have this value; where the log has no serial numbers, it tells A and AAAA of a name apart. */
function fits(qtype: number, value: string): boolean {
  if (isIPv4(value) || value === 'NODATA-IPv4') return qtype === 1 || qtype === 255;
  if (isIPv6(value) || value === 'NODATA-IPv6') return qtype === 28 || qtype === 255;
  return true;
}

function addValue(held: Held, value: string): void {
  const entry = held.row.value;
  const answers = entry.answers!;
  held.isAlias = value === '<CNAME>';
  const word = /^[A-Z]+$/.test(value) ? dnsRcode(value) : -1;
  if (word >= 0) entry.rcode = word;
  else if (value.startsWith('NODATA') || value === 'duplicate') return;
  else if (isIPv4(value)) answers.add(1, value, -1, entry.qtype);
  else if (isIPv6(value)) answers.add(28, value, -1, entry.qtype);
  else if (value.startsWith('<')) {
    // The record is told by its type alone, which carries no text to count.
    answers.count += 1;
    const type = dnsType(value.slice(1, -1));
    if (answers.type === 0 && (type !== 5 || entry.qtype === 5)) answers.type = Math.max(0, type);
  } else answers.add(entry.qtype, value, -1, entry.qtype);
}
