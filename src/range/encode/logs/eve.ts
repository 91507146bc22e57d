// Suricata EVE: dns events of version 2 (query, answer) and of version 3 (request, response; Suricata 8). In answers source
// and destination are those of the packet, so the client is the destination.
import { type Answer, Rtype } from '../../worlds/dns/answers.ts';
import type { Exchange } from '../../worlds/dns/exchange.ts';
import { queryFlags, responseFlags } from '../dns-message.ts';
import type { LogFormat } from './format.ts';
import {
  addressText,
  dateAndClock,
  hexEscaped,
  ipText,
  knownType,
  nameText,
  ownersOf,
  rcodeText,
  textStrings,
  u16At,
} from './text.ts';

export const eveV2: LogFormat = {
  file: 'eve-v2.json',
  head: () => '',
  query: (e) =>
    line(e, false, {
      type: 'query',
      id: e.id,
      rrname: nameText(e.name, 0, 'eve'),
      rrtype: typeName(e.qtype),
      tx_id: 0,
      opcode: 0,
    }),
  response: (e) => {
    const rrname = nameText(e.name, 0, 'eve');
    const grouped: Record<string, unknown[]> = {};
    for (const answer of e.answers) {
      const data = rdata(answer);
      if (data === undefined) continue;
      const list = grouped[typeName(answer.type)] ?? [];
      list.push(data);
      grouped[typeName(answer.type)] = list;
    }
    return line(e, true, {
      version: 2,
      type: 'answer',
      id: e.id,
      flags: responseFlags(e).toString(16),
      qr: true,
      rd: true,
      ra: true,
      opcode: 0,
      rrname,
      rrtype: typeName(e.qtype),
      rcode: rcodeText(e.rcode),
      ...(e.answers.length > 0 ? { answers: answers(e, rrname), grouped } : {}),
    });
  },
};

export const eveV3: LogFormat = {
  file: 'eve-v3.json',
  head: () => '',
  query: (e) =>
    line(e, false, {
      version: 3,
      type: 'request',
      tx_id: 0,
      id: e.id,
      flags: queryFlags(e).toString(16),
      rd: true,
      opcode: 0,
      rcode: 'NOERROR',
      queries: [{ rrname: nameText(e.name, 0, 'eve'), rrtype: typeName(e.qtype) }],
    }),
  response: (e) => {
    const rrname = nameText(e.name, 0, 'eve');
    return line(e, true, {
      version: 3,
      type: 'response',
      tx_id: 1,
      id: e.id,
      flags: responseFlags(e).toString(16),
      qr: true,
      rd: true,
      ra: true,
      opcode: 0,
      rcode: rcodeText(e.rcode),
      queries: [{ rrname, rrtype: typeName(e.qtype) }],
      ...(e.answers.length > 0 ? { answers: answers(e, rrname) } : {}),
    });
  },
};

function typeName(type: number): string {
  return knownType(type) ?? String(type);
}
function answers(e: Exchange, rrname: string): object[] {
  const owners = ownersOf(rrname, e.answers, 'eve');
  return e.answers.map((answer, i) => {
    const data = rdata(answer);
    return {
      rrname: owners[i],
      rrtype: typeName(answer.type),
      ttl: Math.max(0, answer.ttlSeconds - e.ageSeconds),
      ...(data === undefined ? {} : answer.type === Rtype.SRV ? { srv: data } : { rdata: data }),
    };
  });
}
/** What Suricata shows of a record; nothing for types it does not print. */
function rdata(answer: Answer): unknown {
  const { type, rdata: bytes } = answer;
  if (type === Rtype.A || type === Rtype.AAAA) return addressText(bytes);
  if (type === Rtype.CNAME || type === Rtype.PTR || type === Rtype.NS) return nameText(bytes, 0, 'eve');
  if (type === Rtype.MX) return nameText(bytes, 2, 'eve');
  if (type === Rtype.TXT) return hexEscaped(textStrings(bytes).join(''));
  if (type === Rtype.NULL) return hexEscaped(Buffer.from(bytes).toString('latin1'));
  if (type === Rtype.SRV)
    return {
      priority: u16At(bytes, 0),
      weight: u16At(bytes, 2),
      port: u16At(bytes, 4),
      name: nameText(bytes, 6, 'eve'),
    };
  return undefined;
}

function line(e: Exchange, answered: boolean, dns: object): string {
  const at = answered ? e.answeredAtMicros : e.atMicros;
  const [date, clock] = dateAndClock(at);
  const client = { ip: ipText(e.client), port: e.clientPort };
  const server = { ip: ipText(e.resolver), port: 53 };
  const from = answered ? server : client;
  const to = answered ? client : server;
  const event = {
    timestamp: `${date}T${clock}.${String(Math.floor(at % 1e6)).padStart(6, '0')}+0000`,
    flow_id: (e.client % 65_536) * 0x1_0000_0000 + e.clientPort * 65_536 + e.id,
    event_type: 'dns',
    src_ip: from.ip,
    src_port: from.port,
    dest_ip: to.ip,
    dest_port: to.port,
    proto: 'UDP',
    dns,
  };
  return `${JSON.stringify(event)}\n`;
}
