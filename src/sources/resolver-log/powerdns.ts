// PowerDNS Recursor with quiet=no: structured lines (key="value" pairs, since 4.7) and the classic text. A question answered from
// the packet cache has a line of its own instead of the two; the classic one does not tell the name.
import { Answers, type DnsEntry, dnsRcode, emptyEntry } from '../lines/index.ts';
import { type Grammar, type Log, type LogFormat, setClient } from './format.ts';
import { Pending } from './pending.ts';

export const powerdns: LogFormat = {
  name: 'powerdns-recursor',
  reads: 'PowerDNS Recursor logs (structured and classic)',
  doesNotTell: [
    'message ids, sizes, class and header flags but RD',
    'answers, beyond their rcode and number; of those from the packet cache not even that',
    'in the classic text: names that the packet cache answered',
  ],
  mark: /^(?:[^\s"]+ +){0,4}(?:msg="[^"]*" subsystem="|pdns[-_]recursor\[\d+\]: |PowerDNS Recursor \d|\d+ \[\d+\/[\d/]+\] (?:TCP )?question for ')/m,
  create: () => new RecursorLines(),
};

const classicQuestion = /(\d{1,10} \[\d{1,10})\/[\d/]+\] (TCP )?question for '(.*)\|([A-Za-z0-9-]+)' from (\S+)/;
const classicAnswer =
  /(\d{1,10} \[\d{1,10})\/[\d/]+\] answer to (?:TCP )?question '(.*)\|([A-Za-z0-9-]+)': (\d+) answers, .*\brcode=(\d+)/;
const classicCached = /(TCP )?question answered from packet cache tag=\d+ from (\S+)/;

class RecursorLines implements Grammar {
  readonly #pending = new Pending();

  read(text: string, from: number, log: Log): string {
    const structured = text.indexOf('msg="', from);
    if (structured >= 0) return readPairs(text, structured, log);
    if (!text.includes('question', from)) return log.stamps.isTold || text.includes('pdns') ? '' : 'RESOLVER_LINE';
    return this.#classic(text, log);
  }

  #classic(text: string, log: Log): string {
    const entry = emptyEntry();
    const question = classicQuestion.exec(text);
    if (question !== null) {
      const [, thread, tcp, name, type, client] = question;
      entry.name = name!;
      entry.transport = tcp === undefined ? 17 : 6;
      setClient(entry, client!);
      const fault = log.add(entry, type!);
      this.#pending.put(`${thread} ${name}|${type}`, entry, text);
      return fault;
    }
    const answer = classicAnswer.exec(text);
    if (answer !== null) {
      const [, thread, name, type, count, rcode] = answer;
      const asked = this.#pending.take(`${thread} ${name}|${type}`);
      return asked === undefined ? '' : log.add(answered({ ...asked }, rcode!, count!), type!);
    }
    const cached = classicCached.exec(text);
    if (cached === null) return '';
    entry.transport = cached[1] === undefined ? 17 : 6;
    setClient(entry, cached[2]!);
    log.add(entry, '0');
    return 'RESOLVER_NAME_HIDDEN';
  }
}

function readPairs(text: string, at: number, log: Log): string {
  const isQuestion = text.startsWith('msg="Question"', at);
  const isAnswer = text.startsWith('msg="Answer"', at);
  const isCached = !isQuestion && !isAnswer && /^msg="(?:TCP )?[Qq]uestion answered/.test(text.slice(at, at + 40));
  if (!isQuestion && !isAnswer && !isCached) return '';
  const ts = pair(text, at, 'ts');
  // Its own time is finer than the stamp before it.
  if (/^\d{9,11}(?:\.\d+)?$/.test(ts)) log.stamps.read(`[${ts.slice(0, 17)}]`);
  const remote = pair(text, at, 'source') || pair(text, at, 'remote');
  if (remote === '') return 'RESOLVER_LINE';
  const entry = emptyEntry();
  setClient(entry, remote);
  entry.name = pair(text, at, 'qname');
  const protocol = pair(text, at, 'proto');
  entry.transport = protocol === 'tcp' || text.startsWith('msg="TCP', at) ? 6 : protocol === 'udp' || isCached ? 17 : 0;
  if (isAnswer) {
    answered(entry, pair(text, at, 'rcode'), pair(text, at, 'answers'));
    if (pair(text, at, 'rd') === '1') entry.flags |= 0x0100;
  }
  const fault = log.add(entry, pair(text, at, 'qtype'));
  return entry.name === '' ? 'RESOLVER_NAME_HIDDEN' : fault;
}

function answered(entry: DnsEntry, rcode: string, count: string): DnsEntry {
  entry.isResponse = true;
  entry.rcode = dnsRcode(rcode);
  entry.flags = 0x8000;
  entry.answers = new Answers();
  entry.answers.count = Math.min(Number(count) || 0, 0xffff);
  return entry;
}

/** Value of a pair, its escapes undone; '' where there is none. A quote inside a value is escaped, so no value can look like a key. */
function pair(text: string, from: number, key: string): string {
  const opener = ` ${key}="`;
  const found = text.indexOf(opener, from);
  if (found < 0) return '';
  const start = found + opener.length;
  let end = start;
  while (end < text.length && text.charCodeAt(end) !== 0x22) end += text.charCodeAt(end) === 0x5c ? 2 : 1;
  const value = text.slice(start, end);
  return value.includes('\\') ? value.replace(/\\(.)/g, '$1') : value;
}
