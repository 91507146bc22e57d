// Unbound: log-queries, log-replies and log-local-actions of RPZ (unbound.conf(5)). A query line is `client name type class`; a
// reply line adds rcode, seconds, whether it came from the cache, and octets. Octets that do not print are written as `?`.
import { dnsClass, dnsRcode, emptyEntry } from '../lines/index.ts';
import { type Grammar, type Log, type LogFormat, portOf } from './format.ts';

export const unbound: LogFormat = {
  name: 'unbound',
  reads: 'Unbound query, reply and RPZ logs',
  doesNotTell: [
    'client ports, message ids, transport and header flags',
    'answers, beyond their rcode and size',
    'octets of names other than letters, digits, hyphens and underscores: they are written as ?, so that names which differ there look alike',
    'parts of a second, unless log-time-iso is on',
  ],
  mark: /^(?:[^\s"]+ +){0,4}unbound\[\d+(?::[0-9a-f]+)?\]:? /m,
  create: () => new UnboundLines(),
};

const message =
  /(?:info|query|reply): ([0-9a-fA-F.:]+) (\S+) ([A-Z0-9-]+) ([A-Z0-9]+)(?: ([A-Z0-9]+) \d+\.\d+ [01] (\d+))?/y;
const applied =
  /rpz: applied (?:\[[^\]]*\] )?\S+ (rpz-[a-z-]+) ([0-9a-fA-F.:]+)@(\d{1,5}) (\S+) ([A-Z0-9-]+) ([A-Z0-9]+)/y;

const policyRcodes: Readonly<Record<string, number>> = {
  'rpz-nxdomain': 3,
  'rpz-nodata': 0,
  'rpz-local-data': 0,
  'rpz-cname-override': 0,
};

class UnboundLines implements Grammar {
  /** Replies are logged, and say what the policy's line says: it would count twice. */
  #hasReplies = false;

  read(text: string, from: number, log: Log): string {
    const thread = text.indexOf('unbound[', from);
    if (thread < 0) return 'RESOLVER_LINE';
    const colon = text.indexOf(': ', thread + 8);
    // Through syslog `unbound[pid]: [pid:thread] info: `, else `unbound[pid:thread] info: `.
    const word = text.charCodeAt(colon - 1) === 0x5d ? text.indexOf('] ', colon) + 2 : text.lastIndexOf(' ', colon) + 1;
    if (text.startsWith('info: rpz: ', word)) return this.#applied(text, word + 6, log);
    message.lastIndex = word;
    const found = message.exec(text);
    if (found === null || !/[.:]/.test(found[1]!)) return '';
    const entry = emptyEntry();
    entry.client = found[1]!;
    entry.name = found[2]!;
    entry.qclass = Math.max(0, dnsClass(found[4]!));
    if (found[5] !== undefined) {
      this.#hasReplies = true;
      entry.isResponse = true;
      entry.rcode = dnsRcode(found[5]);
      entry.flags = 0x8000;
      entry.messageBytes = Math.min(Number(found[6]), 0xffff);
    }
    return log.add(entry, found[3]!);
  }

  #applied(text: string, at: number, log: Log): string {
    applied.lastIndex = at;
    const found = applied.exec(text);
    if (found === null || this.#hasReplies) return '';
    const entry = emptyEntry();
    entry.client = found[2]!;
    entry.clientPort = portOf(found[3]!);
    entry.name = found[4]!;
    entry.qclass = Math.max(0, dnsClass(found[6]!));
    const rcode = policyRcodes[found[1]!];
    if (rcode !== undefined) {
      entry.isResponse = true;
      entry.rcode = rcode;
      entry.flags = 0x8000;
    }
    return log.add(entry, found[5]!);
  }
}
