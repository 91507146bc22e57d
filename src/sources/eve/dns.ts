// EVE `dns` events to 'dns' rows. Version 1 (Suricata before 4.1) has a line for each answer record, version 2 the whole answer
// in `answers` and `grouped`, version 3 (Suricata 8) the questions in `queries` and the types request and response.
import { Answers, type DnsEntry, DnsRows, dnsRcode, dnsType, emptyEntry, type Ready } from '../lines/index.ts';
import {
  countOf,
  type EveEvent,
  type EveKind,
  type EveMapping,
  type Fields,
  isFields,
  octetsOf,
  textOf,
} from './event.ts';

export const dnsEvents: EveKind = { eventType: 'dns', create: () => new DnsMapping() };

const isResponseOf: Readonly<Record<string, boolean>> = { query: false, request: false, answer: true, response: true };

class DnsMapping implements EveMapping {
  readonly #rows = new DnsRows({ address: 'EVE_ADDRESS', name: 'EVE_NAME' });
  /** A version 1 answer whose further records may follow, and what its lines have in common. */
  #held: Ready<DnsEntry> | undefined;
  #heldKey = '';

  read(event: EveEvent, out: Ready[]): string {
    const dns = event.fields.dns;
    const isResponse = isFields(dns) ? isResponseOf[textOf(dns.type)] : undefined;
    if (!isFields(dns) || isResponse === undefined) return 'EVE_FIELD';
    const isSingle = isResponse && dns.version === undefined && !Array.isArray(dns.answers);
    if (isSingle && this.#joins(event, dns)) return '';
    this.flush(out);
    const first = messageOf(event, dns, isResponse);
    const questions = questionsOf(dns);
    let fault = '';
    for (const [i, question] of questions.entries()) {
      const entry = i === 0 ? first : { ...first };
      // The data of a message counts once.
      if (i > 0 && first.answers !== undefined)
        entry.answers = Object.assign(new Answers(), first.answers, { dataBytes: 0 });
      entry.name = octetsOf(textOf(question.rrname), event.isAscii);
      const type = textOf(question.rrtype);
      entry.qtype = Math.max(0, dnsType(type));
      // The record's type is the question's, but for an alias, where only the last record tells it.
      if (isSingle && entry.qtype === 5) entry.qtype = 0;
      if (type !== '' && dnsType(type) < 0) fault = 'EVE_RRTYPE';
      if (i === 0) entry.answers = isResponse ? answersOf(dns, entry.qtype) : undefined;
      const ready = { at: event.at, line: event.line, rows: this.#rows, value: entry };
      if (isSingle) {
        this.#held = ready;
        this.#heldKey = keyOf(event, dns);
      } else out.push(ready);
    }
    return fault;
  }

  flush(out: Ready[]): void {
    if (this.#held !== undefined) out.push(this.#held);
    this.#held = undefined;
  }

  /** Adds a further record to the answer that is held. @returns false where the event is of another message */
  #joins(event: EveEvent, dns: Fields): boolean {
    const held = this.#held?.value;
    if (held === undefined || keyOf(event, dns) !== this.#heldKey) return false;
    const type = Math.max(0, dnsType(textOf(dns.rrtype)));
    if (held.qtype === 0) held.qtype = type === 5 ? 0 : type;
    held.answers?.add(type, textOf(dns.rdata), ttlOf(dns.ttl), held.qtype);
    return true;
  }
}

/** What all lines of one version 1 answer share. */
function keyOf(event: EveEvent, dns: Fields): string {
  return `${event.at} ${textOf(event.fields.flow_id)} ${textOf(dns.id)}`;
}

function messageOf(event: EveEvent, dns: Fields, isResponse: boolean): DnsEntry {
  const { fields } = event;
  const entry = emptyEntry();
  const source = textOf(fields.src_ip);
  const destination = textOf(fields.dest_ip);
  const sourcePort = countOf(fields.src_port, 0xffff);
  const destinationPort = countOf(fields.dest_port, 0xffff);
  const isSwapped = isResponse && answersFromSource(sourcePort, destinationPort, dns.version === 3);
  entry.client = isSwapped ? destination : source;
  entry.clientPort = isSwapped ? destinationPort : sourcePort;
  entry.server = isSwapped ? source : destination;
  entry.serverPort = isSwapped ? sourcePort : destinationPort;
  entry.transport = fields.proto === 'UDP' ? 17 : fields.proto === 'TCP' ? 6 : 0;
  entry.id = countOf(dns.id, 0xffff);
  entry.isResponse = isResponse;
  const flags = typeof dns.flags === 'string' ? Number.parseInt(dns.flags, 16) : Number.NaN;
  entry.flags = flags >= 0 && flags <= 0xffff ? flags : isResponse ? 0x8000 : 0;
  entry.opcode = dns.opcode === undefined ? (entry.flags >>> 11) & 15 : countOf(dns.opcode, 15);
  // Requests of version 3 carry an rcode as well; it says nothing.
  if (isResponse) entry.rcode = dns.rcode === undefined && flags >= 0 ? flags & 15 : dnsRcode(textOf(dns.rcode));
  return entry;
}

/**
 * Whether a response's `src` is the server: so in lines that follow the packet; lines that follow the flow keep the client there.
 * The DNS port decides; where it does not, the version does.
 */
function answersFromSource(sourcePort: number, destinationPort: number, isVersion3: boolean): boolean {
  const isSource = sourcePort === 53 || sourcePort === 5353;
  const isDestination = destinationPort === 53 || destinationPort === 5353;
  return isSource === isDestination ? !isVersion3 : isSource;
}

/** The questions; one without a name where there is none, so that the message still counts. */
function questionsOf(dns: Fields): readonly Fields[] {
  if (!Array.isArray(dns.queries)) return [dns];
  const questions = dns.queries.filter(isFields);
  return questions.length > 0 ? questions : [{}];
}

function answersOf(dns: Fields, qtype: number): Answers {
  const answers = new Answers();
  if (Array.isArray(dns.answers)) {
    for (const record of dns.answers) {
      if (!isFields(record)) continue;
      answers.add(Math.max(0, dnsType(textOf(record.rrtype))), rdataOf(record), ttlOf(record.ttl), qtype);
    }
  } else if (isFields(dns.grouped)) {
    for (const [type, values] of Object.entries(dns.grouped)) {
      if (!Array.isArray(values)) continue;
      for (const value of values) answers.add(Math.max(0, dnsType(type)), textOf(value), -1, qtype);
    }
  } else if (dns.rdata !== undefined || dns.ttl !== undefined) {
    answers.add(Math.max(0, dnsType(textOf(dns.rrtype))), textOf(dns.rdata), ttlOf(dns.ttl), qtype);
  }
  return answers;
}

/** Text of a record's data; of SRV, which Suricata writes as an object, its name. */
function rdataOf(record: Fields): string {
  return isFields(record.srv) ? textOf(record.srv.name) : textOf(record.rdata);
}

function ttlOf(value: unknown): number {
  return typeof value === 'number' && value >= 0 ? value : -1;
}
