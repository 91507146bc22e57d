// Lines of `named`: BIND 9 writes them (query log, RPZ, query errors), and Infoblox NIOS, which is built on it, writes them with
// responses and CEF besides. BIND 9 ARM, "The category phrase" and the query log's format under "queries".
import { Answers, type DnsEntry, dnsClass, dnsRcode, dnsType, emptyEntry } from '../lines/index.ts';
import { type Grammar, type Log, portOf } from './format.ts';

// client [@0x7f..] address#port[/key k] [(name)][:] [view v: ][UDP: ]rest
const client =
  /client (?:@0x[0-9a-f]+ )?([0-9a-fA-F.:%]+)#(\d{1,5})(?:\/key \S+)?(?: \(\S+\))?:? (?:view \S+: )?(?:(UDP|TCP): )?/y;
const query = /query: (\S+) (\S+) (\S+) ([+-]\S*)(?: \((\S+)\))?/y;
const response = /query: (\S+) (\S+) (\S+) response: (\S+) ([+-]\S*) ?/y;
const rewrite = /(?:disabled )?rpz \S+ (\S+) rewrite (\S+?)(?:\/([A-Z0-9-]+)\/([A-Z0-9]+)| \[([A-Z0-9-]+)\])? via /y;
const failed = /query failed \((\S+)\) for (\S+)\/([A-Z0-9]+)\/([A-Z0-9-]+) /y;
const innerStamp = /\d\d-[A-Z][a-z][a-z]-\d{4} \d\d:\d\d:\d\d(?:\.\d+)? $/;

/** What each policy of RPZ answers; the others let the query pass, drop it or send it to TCP. */
const policyRcodes: Readonly<Record<string, number>> = { NXDOMAIN: 3, NODATA: 0, 'Local-Data': 0, CNAME: 0 };

export class NamedLines implements Grammar {
  read(text: string, from: number, log: Log): string {
    const clientAt = text.indexOf('client ', from);
    client.lastIndex = clientAt;
    const found = clientAt < 0 ? null : client.exec(text);
    if (found === null) return cefOrElse(text, from, log);
    // NIOS writes a whole date of its own between syslog's header and the line.
    const inner = innerStamp.exec(text.slice(from, clientAt));
    if (inner !== null) log.stamps.read(inner[0]);
    const entry = emptyEntry();
    entry.client = found[1]!;
    entry.clientPort = portOf(found[2]!);
    if (found[3] !== undefined) entry.transport = found[3] === 'TCP' ? 6 : 17;
    const restAt = client.lastIndex;
    if (text.startsWith('query: ', restAt)) return readQuery(text, restAt, entry, log);
    if (text.startsWith('query failed ', restAt)) return readFailed(text, restAt, entry, log);
    return readRewrite(text, restAt, entry, log);
  }
}

function readQuery(text: string, at: number, entry: DnsEntry, log: Log): string {
  query.lastIndex = at;
  const found = query.exec(text);
  if (found === null) return readResponse(text, at, entry, log);
  const flags = found[4]!;
  entry.name = found[1]!;
  entry.qclass = Math.max(0, dnsClass(found[2]!));
  entry.flags = flags.startsWith('+') ? 0x0100 : 0;
  if (flags.includes('C')) entry.flags |= 0x0010;
  entry.dnssecOk = flags.includes('D');
  entry.transport = flags.includes('T') ? 6 : 17;
  entry.server = found[5] ?? '';
  return log.add(entry, found[3]!);
}

function readResponse(text: string, at: number, entry: DnsEntry, log: Log): string {
  response.lastIndex = at;
  const found = response.exec(text);
  if (found === null) return 'RESOLVER_LINE';
  const flags = found[5]!;
  entry.name = found[1]!;
  entry.qclass = Math.max(0, dnsClass(found[2]!));
  entry.isResponse = true;
  entry.rcode = dnsRcode(found[4]!);
  entry.flags = 0x8000 | (flags.startsWith('+') ? 0x0100 : 0) | (flags.includes('A') ? 0x0400 : 0);
  entry.dnssecOk = flags.includes('D');
  entry.answers = answersOf(text.slice(response.lastIndex), dnsType(found[3]!));
  return log.add(entry, found[3]!);
}

const record = /^ *\S+ (\d{1,10}) [A-Z0-9]+ ([A-Z0-9-]+) (.*)$/;

/** Records in master file form, each ended by a semicolon; one in a quoted string ends nothing. */
function answersOf(text: string, qtype: number): Answers {
  const answers = new Answers();
  let from = 0;
  let isQuoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x5c) i += 1;
    else if (c === 0x22) isQuoted = !isQuoted;
    else if (c === 0x3b && !isQuoted) {
      const found = record.exec(text.slice(from, i));
      if (found !== null) answers.add(Math.max(0, dnsType(found[2]!)), found[3]!, Number(found[1]), qtype);
      from = i + 1;
    }
  }
  return answers;
}

function readFailed(text: string, at: number, entry: DnsEntry, log: Log): string {
  failed.lastIndex = at;
  const found = failed.exec(text);
  if (found === null) return 'RESOLVER_LINE';
  entry.name = found[2]!;
  entry.qclass = Math.max(0, dnsClass(found[3]!));
  entry.isResponse = true;
  entry.rcode = dnsRcode(found[1]!);
  entry.flags = 0x8000;
  return log.add(entry, found[4]!);
}

function readRewrite(text: string, at: number, entry: DnsEntry, log: Log): string {
  rewrite.lastIndex = at;
  const found = rewrite.exec(text);
  // Transfers, updates, cookies and the like are named with their client too.
  if (found === null) return '';
  entry.name = found[2]!;
  entry.qclass = found[4] === undefined ? 1 : Math.max(0, dnsClass(found[4]));
  const rcode = text.startsWith('disabled ', at) ? undefined : policyRcodes[found[1]!];
  // A policy that answers is the answer; of the others the line says that the client asked.
  if (rcode !== undefined) {
    entry.isResponse = true;
    entry.rcode = rcode;
    entry.flags = 0x8000;
  }
  return log.add(entry, found[3] ?? found[5] ?? '0');
}

/** NIOS' RPZ hits in ArcSight's Common Event Format. */
function cefOrElse(text: string, from: number, log: Log): string {
  const cefAt = text.indexOf('CEF:0|Infoblox|', from);
  if (cefAt < 0) return log.stamps.isTold || /named\[\d+\]: /.test(text) ? '' : 'RESOLVER_LINE';
  const messageAt = text.indexOf('msg="', cefAt);
  const source = / src=(\S+) spt=(\d{1,5}) /.exec(text.slice(cefAt, messageAt));
  if (messageAt < 0 || source === null) return 'RESOLVER_LINE';
  const entry = emptyEntry();
  entry.client = source[1]!;
  entry.clientPort = portOf(source[2]!);
  const before = log.out.length;
  const fault = readRewrite(text, messageAt + 5, entry, log);
  return fault === '' && log.out.length === before ? 'RESOLVER_LINE' : fault;
}
