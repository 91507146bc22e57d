// dnsmasq with log-queries=extra (Pi-hole writes the same): a serial and the client's address and port in each line. What
// can't be printed is `<name unprintable>`.
import { type Answer, Rtype } from '../../worlds/dns/answers.ts';
import type { Exchange } from '../../worlds/dns/exchange.ts';
import type { LogFormat } from './format.ts';
import { addressText, ipText, knownType, nameText, ownersOf, syslogTime } from './text.ts';

export const dnsmasq: LogFormat = {
  file: 'dnsmasq.log',
  head: (from) => `${syslogTime(from)} dnsmasq[25668]: started, version 2.90 cachesize 150\n`,
  query: (e) => {
    const name = nameText(e.name, 0, 'dnsmasq');
    const asked = `${lead(e, e.atMicros)} query[${knownType(e.qtype) ?? `type=${e.qtype}`}] ${name} from ${ipText(e.client)}\n`;
    return e.cached ? asked : `${asked}${lead(e, e.atMicros)} forwarded ${name} to 10.1.0.1\n`;
  },
  response: (e) => {
    const name = nameText(e.name, 0, 'dnsmasq');
    const verb = e.cached ? 'cached' : 'reply';
    const start = `${lead(e, e.answeredAtMicros)} ${verb}`;
    if (e.rcode === 3) return `${start} ${name} is NXDOMAIN\n`;
    if (e.rcode !== 0) return `${start} error is ${e.rcode === 2 ? 'SERVFAIL' : 'REFUSED'}\n`;
    if (e.answers.length === 0) return `${start} ${name} is ${noData(e.qtype)}\n`;
    const owners = ownersOf(name, e.answers, 'dnsmasq');
    return e.answers.map((a, i) => `${start} ${owners[i]} is ${shown(a)}\n`).join('');
  },
};

function lead(e: Exchange, at: number): string {
  return `${syslogTime(at)} dnsmasq[25668]: ${e.number} ${ipText(e.client)}/${e.clientPort}`;
}
function noData(qtype: number): string {
  return qtype === Rtype.A ? 'NODATA-IPv4' : qtype === Rtype.AAAA ? 'NODATA-IPv6' : 'NODATA';
}
function shown(answer: Answer): string {
  const { type, rdata } = answer;
  if (type === Rtype.A || type === Rtype.AAAA) return addressText(rdata);
  if (type === Rtype.PTR) return nameText(rdata, 0, 'dnsmasq');
  return `<${knownType(type) ?? `type=${type}`}>`;
}
