// CoreDNS, plugin `log`, common and combined format: one line a query, written when it is answered. Names are escaped as in a
// master file, so a blank inside one is behind a backslash.
import { dnsClass, dnsRcode, emptyEntry } from '../lines/index.ts';
import { type Grammar, type Log, type LogFormat, setClient } from './format.ts';

export const coredns: LogFormat = {
  name: 'coredns',
  reads: 'CoreDNS log plugin',
  doesNotTell: ['answers, beyond their rcode and size', 'times, unless what collects its output writes them'],
  mark: /^(?:[^\s"]+ +){0,4}\[(?:INFO|ERROR|WARNING|DEBUG)\] (?:\S+:\d+ - \d+ "|plugin\/|CoreDNS-)/m,
  create: () => new CorednsLines(),
};

const line =
  /\] (\S+:\d{1,5}) - (\d{1,5}) "(\S+) (\S+) ((?:\\.|[^\s\\])+) (\S+) \d+ (true|false) \d+" (\S+) (\S+) (\d+) /y;

const flagBits: Readonly<Record<string, number>> = {
  qr: 0x8000,
  aa: 0x0400,
  tc: 0x0200,
  rd: 0x0100,
  ra: 0x0080,
  ad: 0x0020,
  cd: 0x0010,
};

class CorednsLines implements Grammar {
  read(text: string, from: number, log: Log): string {
    const level = text.indexOf('[INFO] ', from);
    if (level < 0) return /\[(?:ERROR|WARNING|DEBUG|FATAL)\]/.test(text) ? '' : 'RESOLVER_LINE';
    line.lastIndex = level + 5;
    const found = line.exec(text);
    if (found === null) return / - \d+ "/.test(text) ? 'RESOLVER_LINE' : '';
    const entry = emptyEntry();
    setClient(entry, found[1]!);
    entry.id = Number(found[2]) & 0xffff;
    entry.qclass = Math.max(0, dnsClass(found[4]!));
    entry.name = found[5]!;
    entry.transport = found[6] === 'udp' ? 17 : found[6] === 'tcp' ? 6 : 0;
    entry.dnssecOk = found[7] === 'true';
    entry.rcode = dnsRcode(found[8]!);
    // Without a reply code the query was not answered.
    entry.isResponse = found[8] !== '-';
    for (const flag of found[9]!.split(',')) entry.flags |= flagBits[flag] ?? 0;
    entry.messageBytes = Math.min(Number(found[10]), 0xffff);
    return log.add(entry, found[3]!);
  }
}
