// dns.log to 'dns' rows. Zeek pairs a query with its answer on one line: the row is the answer where one came, else the query.
import { BATCH_ROWS, DnsBatch } from '#events';
import { addressHash, parseAddress } from '#lib/address';
import { hashWireName, textToWire } from '#lib/wirename';
import type { ZeekLog, ZeekRows } from './log.ts';
import type { ZeekRow } from './row.ts';

export const dnsLog: ZeekLog = { path: 'dns', jsonFields: ['id.orig_h', 'trans_id'], create: () => new DnsRows() };

class DnsRows implements ZeekRows {
  readonly batch = new DnsBatch();
  #namesEnd = 0;

  clear(): void {
    this.batch.count = 0;
    this.#namesEnd = 0;
  }

  add(row: ZeekRow, at: number, line: number): string {
    const b = this.batch;
    const i = b.count;
    if (i >= BATCH_ROWS) return 'ZEEK_FIELD';
    if (!parseAddress(row.text('id.orig_h'), b.addresses, 8 * i)) return 'ZEEK_ADDRESS';
    if (!parseAddress(row.text('id.resp_h'), b.addresses, 8 * i + 4)) return 'ZEEK_ADDRESS';
    const wireAt = this.#namesEnd;
    // `query` is missing where the message had no question; the row still counts.
    const nameBytes = textToWire(row.text('query'), b.bytes, wireAt);
    if (nameBytes < 0) return 'ZEEK_NAME';
    const answers = row.list('answers');
    const rcode = row.text('rcode');
    const isResponse = rcode !== '' || answers.length > 0;
    const qtype = number(row.text('qtype'), 0xffff);
    let labels = 0;
    for (let k = wireAt; b.bytes[k]! !== 0; k += b.bytes[k]! + 1) labels += 1;
    b.at[i] = at;
    b.place[i] = line;
    b.clientHash[i] = addressHash(b.addresses, 8 * i);
    b.clientPort[i] = number(row.text('id.orig_p'), 0xffff);
    b.serverPort[i] = number(row.text('id.resp_p'), 0xffff);
    b.id[i] = number(row.text('trans_id'), 0xffff);
    b.isResponse[i] = isResponse ? 1 : 0;
    b.opcode[i] = 0;
    b.rcode[i] = rcode === '' ? -1 : number(rcode, 4095);
    b.qtype[i] = qtype;
    b.qclass[i] = number(row.text('qclass'), 0xffff);
    const proto = row.text('proto');
    b.transport[i] = proto === 'udp' ? 17 : proto === 'tcp' ? 6 : 0;
    b.nameOffset[i] = wireAt;
    b.nameBytes[i] = nameBytes;
    b.nameHash[i] = hashWireName(b.bytes, wireAt, nameBytes);
    b.labelCount[i] = labels;
    b.messageBytes[i] = 0;
    b.answerCount[i] = Math.min(answers.length, 0xffff);
    b.answerDataBytes[i] = isAddress(qtype) ? 0 : dataBytes(answers);
    b.answerType[i] = answers.length > 0 ? qtype : 0;
    this.#namesEnd = wireAt + nameBytes;
    b.count = i + 1;
    return '';
  }
}

function isAddress(qtype: number): boolean {
  return qtype === 1 || qtype === 28;
}

/** Zeek prints TXT strings as `TXT <length> <text>`, all else as its presentation text. */
function dataBytes(answers: readonly string[]): number {
  let sum = 0;
  for (const a of answers) {
    const txt = /^TXT (\d{1,5}) /.exec(a);
    sum += txt === null ? a.length : Number(txt[1]);
  }
  return Math.min(sum, 0x7fffffff);
}

function number(text: string, max: number): number {
  const value = Number(text);
  return Number.isInteger(value) && value >= 0 && value <= max ? value : 0;
}
