// dns.log to 'dns' rows. Zeek pairs a query with its answer on one line: the row is the answer where one came, else the query.
import { ANSWER_ADDRESSES_MAX, type DnsBatch } from '#events';
import { Answers, DnsRows, emptyEntry } from '../lines/index.ts';
import type { ZeekLog, ZeekRows } from './log.ts';
import type { ZeekRow } from './row.ts';

export const dnsLog: ZeekLog = { path: 'dns', jsonFields: ['id.orig_h', 'trans_id'], create: () => new DnsLogRows() };

/** Zeek's names for bits of the header's second word (RFC 1035 4.1.1, RFC 4035 3.2). */
const flagBits: readonly [string, number][] = [
  ['AA', 0x0400],
  ['TC', 0x0200],
  ['RD', 0x0100],
  ['RA', 0x0080],
  ['AD', 0x0020],
  ['CD', 0x0010],
];

const NETBIOS_NS = '137';

class DnsLogRows implements ZeekRows {
  readonly #rows = new DnsRows({ address: 'ZEEK_ADDRESS', name: 'ZEEK_NAME' });
  readonly batch: DnsBatch = this.#rows.batch;

  clear(): void {
    this.#rows.clear();
  }

  add(row: ZeekRow, at: number, line: number): string {
    const server = row.text('id.resp_h');
    if (server === '') return 'ZEEK_ADDRESS';
    // NetBIOS names (RFC 1002) share DNS's format and Zeek's log, and are no DNS.
    if (row.text('id.resp_p') === NETBIOS_NS) return '';
    const answers = row.list('answers');
    const rcode = row.text('rcode');
    const isResponse = rcode !== '' || answers.length > 0;
    const qtype = number(row.text('qtype'), 0xffff);
    const proto = row.text('proto');
    const entry = emptyEntry();
    entry.client = row.text('id.orig_h');
    entry.clientPort = number(row.text('id.orig_p'), 0xffff);
    entry.server = server;
    entry.serverPort = number(row.text('id.resp_p'), 0xffff);
    // `query` is missing where the message had no question; the row still counts.
    entry.name = row.text('query');
    entry.id = number(row.text('trans_id'), 0xffff);
    entry.isResponse = isResponse;
    entry.rcode = rcode === '' ? -1 : number(rcode, 4095);
    entry.qtype = qtype;
    entry.qclass = number(row.text('qclass'), 0xffff);
    entry.transport = proto === 'udp' ? 17 : proto === 'tcp' ? 6 : 0;
    entry.flags = flagsOf(row) | (isResponse ? 0x8000 : 0);
    if (answers.length > 0) entry.answers = answersOf(answers, row.list('TTLs'), qtype);
    return this.#rows.add(entry, at, line);
  }
}

function flagsOf(row: ZeekRow): number {
  let flags = 0;
  for (const [field, bit] of flagBits) {
    const value = row.text(field);
    if (value === 'T' || value === 'true') flags |= bit;
  }
  // The three bits that RFC 1035 calls Z; two of them are AD and CD since.
  return flags | (number(row.text('Z'), 7) << 4);
}

/** Zeek prints TXT strings as `TXT <length> <text>`, all else as its presentation text, and no record's type. */
function answersOf(texts: readonly string[], ttls: readonly string[], qtype: number): Answers {
  const answers = new Answers();
  answers.count = texts.length;
  answers.type = qtype;
  const wantsAddress = qtype === 1 || qtype === 28;
  for (const [i, text] of texts.entries()) {
    if (wantsAddress) {
      if (/^[\d.]+$|:/.test(text) && answers.addresses.length < ANSWER_ADDRESSES_MAX) answers.addresses.push(text);
    } else answers.dataBytes += Number(/^TXT (\d{1,5}) /.exec(text)?.[1] ?? text.length);
    const ttl = Number(ttls[i] || Number.NaN);
    if (ttl >= 0) answers.ttlSeconds = answers.ttlSeconds < 0 ? ttl : Math.min(answers.ttlSeconds, ttl);
  }
  return answers;
}

function number(text: string, max: number): number {
  const value = Number(text);
  return Number.isInteger(value) && value >= 0 && value <= max ? value : 0;
}
