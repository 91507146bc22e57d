// Zeek dns.log in its tab-separated form: one line a question with its answer, names in lower case.
import type { Answer } from '../../worlds/dns/answers.ts';
import { Rtype } from '../../worlds/dns/answers.ts';
import type { Exchange } from '../../worlds/dns/exchange.ts';
import type { LogFormat } from './format.ts';
import {
  addressText,
  dateAndClock,
  epoch,
  hexEscaped,
  ipText,
  knownType,
  nameText,
  rcodeText,
  seconds,
  textStrings,
  u16At,
} from './text.ts';

const fields =
  'ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto trans_id rtt query qclass qclass_name qtype qtype_name rcode rcode_name AA TC RD RA Z answers TTLs rejected';
const types =
  'time string addr port addr port enum count interval string count string count string count string bool bool bool bool count vector[string] vector[interval] bool';

export const zeek: LogFormat = {
  file: 'zeek-dns.log',
  head(from) {
    const [date, clock] = dateAndClock(from);
    return [
      '#separator \\x09',
      '#set_separator\t,',
      '#empty_field\t(empty)',
      '#unset_field\t-',
      '#path\tdns',
      `#open\t${date}-${clock.replaceAll(':', '-')}`,
      `#fields\t${fields.replaceAll(' ', '\t')}`,
      `#types\t${types.replaceAll(' ', '\t')}`,
      '',
    ].join('\n');
  },
  // A question that is never answered is written when Zeek gives up; here at once.
  query: (exchange) => (exchange.answeredAtMicros === 0 ? line(exchange, false) : ''),
  response: (exchange) => line(exchange, true),
};

function line(e: Exchange, answered: boolean): string {
  const uid = `C${e.number.toString(36).padStart(6, '0')}${(e.client ^ (e.clientPort << 8)).toString(36).replace('-', 'M')}`;
  const answers = answered && e.answers.length > 0 ? e.answers.map(answerText).join(',') : '-';
  const ttls =
    answered && e.answers.length > 0
      ? e.answers.map((a) => seconds(Math.max(0, a.ttlSeconds - e.ageSeconds) * 1e6)).join(',')
      : '-';
  const row = [
    epoch(e.atMicros, 6),
    uid,
    ipText(e.client),
    e.clientPort,
    ipText(e.resolver),
    53,
    'udp',
    e.id,
    answered ? seconds(e.answeredAtMicros - e.atMicros) : '-',
    nameText(e.name, 0, 'zeek'),
    1,
    'C_INTERNET',
    e.qtype,
    knownType(e.qtype) ?? `query-${e.qtype}`,
    answered ? e.rcode : '-',
    answered ? rcodeText(e.rcode) : '-',
    'F',
    'F',
    'T',
    answered ? 'T' : 'F',
    0,
    answers,
    ttls,
    'F',
  ];
  return `${row.join('\t')}\n`;
}

function answerText(answer: Answer): string {
  const { type, rdata } = answer;
  const name = (at: number): string => nameText(rdata, at, 'zeek').replaceAll(',', '\\x2c');
  if (type === Rtype.A || type === Rtype.AAAA) return addressText(rdata);
  if (type === Rtype.CNAME || type === Rtype.PTR || type === Rtype.NS) return name(0);
  if (type === Rtype.MX) return name(2);
  if (type === Rtype.SRV) return name(6);
  if (type === Rtype.TXT)
    return textStrings(rdata)
      .map((s) => `TXT ${s.length} ${hexEscaped(s).replaceAll(',', '\\x2c')}`)
      .join(' ');
  if (type === Rtype.DNSKEY) return `DNSKEY ${rdata[3]}`;
  if (type === Rtype.DS) return `DS ${rdata[2]} ${rdata[3]}`;
  if (type === Rtype.RRSIG) return `RRSIG ${u16At(rdata, 0)}`;
  return `<unknown type=${type}>`;
}
