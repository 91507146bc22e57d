// Each log against the capture of the same run, read back by hand, and its grammar against lines of the servers themselves.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runScenario } from '../../index.ts';
import { type ReadMessage, readCapture, readFields, readFrameStreams } from '../../testing.ts';

const dir = mkdtempSync(join(tmpdir(), 'range-logs-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
runScenario('dns-day', { seed: 7, out: dir, clients: 30, days: 0.6 });
const messages = readCapture(join(dir, 'dns.pcap'));
const queries = messages.filter((m) => !m.isResponse);
const responses = messages.filter((m) => m.isResponse);
const lines = (file: string): string[] =>
  readFileSync(join(dir, 'logs', file), 'utf8')
    .split('\n')
    .filter((l) => l !== '');

/** How many of each there are. */
const counted = (values: Iterable<string>): Map<string, number> => {
  const out = new Map<string, number>();
  for (const v of values) out.set(v, (out.get(v) ?? 0) + 1);
  return out;
};
const typeNames: Record<number, string> = {
  1: 'A',
  2: 'NS',
  5: 'CNAME',
  10: 'NULL',
  12: 'PTR',
  15: 'MX',
  16: 'TXT',
  25: 'KEY',
  28: 'AAAA',
  33: 'SRV',
  43: 'DS',
  48: 'DNSKEY',
  65: 'HTTPS',
};
const typeOf = (m: ReadMessage): string => typeNames[m.qtype] ?? `TYPE${m.qtype}`;
const rcodes = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];
const visible = (c: number): boolean => c > 0x20 && c < 0x7f;
const master = (m: ReadMessage): string =>
  m.labels
    .map((l) =>
      [...l]
        .map((c) =>
          visible(c.charCodeAt(0))
            ? c === '\\' || c === '.'
              ? `\\${c}`
              : c
            : `\\${String(c.charCodeAt(0)).padStart(3, '0')}`,
        )
        .join(''),
    )
    .join('.');
const hexed = (m: ReadMessage): string =>
  m.labels
    .map((l) => [...l].map((c) => (visible(c.charCodeAt(0)) ? c : `\\x${c.charCodeAt(0).toString(16)}`)).join(''))
    .join('.');
const lowered = (text: string): string => text.replace(/[A-Z]/g, (c) => c.toLowerCase());

const patterns = {
  zeek: /^\d+\.\d{6}\tC\w+\t[\d.]+\t\d+\t[\d.]+\t\d+\tudp\t\d+\t(-|[\d.]+)\t\S[^\t]*\t1\tC_INTERNET\t\d+\t[\w-]+\t(-|\d+)\t(-|[A-Z]+)\t[TF]\t[TF]\t[TF]\t[TF]\t\d+\t[^\t]+\t(-|[\d.,]+)\t[TF]$/,
  bind: /^\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d\.\d{3} queries: info: client @0x[0-9a-f]+ ([\d.]+)#(\d+) \((.+)\): query: (.+) IN (\w+) [+-](?:E\(0\))?\S* \([\d.]+\)$/,
  unbound: /^\[\d+\] unbound\[\d+:\d\] info: ([\d.]+) (\S+) (\w+) IN(?: ([A-Z]+) \d+\.\d{6} [01] \d+)?$/,
  dnsmasqQuery:
    /^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d dnsmasq\[\d+\]: \d+ ([\d.]+)\/(\d+) query\[([\w=]+)\] (.+) from [\d.]+$/,
  dnsmasqReply:
    /^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d dnsmasq\[\d+\]: \d+ [\d.]+\/\d+ (?:(?:reply|cached) .+ is \S.*|forwarded .+ to [\d.#]+)$/,
  coredns:
    /^(?:\S+Z )?\[INFO\] ([\d.]+):(\d+) - (\d+) "(\w+) IN (\S+) udp \d+ (?:true|false) \d+" ([A-Z]+) qr,[a-z,]+ \d+ \d+\.\d+s(?: "\d+")?$/,
  pdns: /^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d msg="(Question|Answer)" subsystem="syncres" level="0" prio="Info" tid="\d+" ts="\d+\.\d{3}" (?:additional="\d+" answers="\d+" dotout="0" )?ecs="" mtid="\d+" (?:netms="[\d.]+" outqueries="\d+" )?proto="udp" qname="(.+)" qtype="(\w+)" (?:rcode="(\d+)" rd="1" )?remote="([\d.]+):(\d+)"(?: tcpout="0" throttled="0" timeouts="0" totms="[\d.]+" validationState="\w+")?$/,
  infobloxQuery:
    /^<30>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ named\[\d+\]: (?:queries: )?client @0x[0-9a-f]+ ([\d.]+)#(\d+) \((.+)\): query: (.+) IN (\w+) \S+ \([\d.]+\)$/,
  infobloxResponse:
    /^<\d+>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ named\[\d+\]: (?:infoblox-responses: )?\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d\.\d{3} client ([\d.]+)#(\d+):? UDP: query: (.+?) IN (\w+) response: ([A-Z]+) [+-]\w*(?: .+;)?$/,
  umbrella:
    /^"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d","([^"]+)","[^"]+","([\d.]+)","[\d.]+","(?:Allowed|Blocked)","(\d+) \((\w+)\)","([A-Z]+)","(.+)\.","[^"]*","[^"]*","[^"]*","[^"]*"$/,
} as const;
const matched = (pattern: RegExp, line: string): RegExpMatchArray => {
  const found = line.match(pattern);
  if (found === null) throw new Error(`no match: ${line}`);
  return found;
};

describe('logs hold the exchanges of the capture', () => {
  test('Zeek: one line a question, names in lower case', () => {
    const rows = lines('zeek-dns.log').filter((l) => !l.startsWith('#'));
    for (const l of rows) matched(patterns.zeek, l);
    const cells = rows.map((l) => l.split('\t'));
    expect(counted(cells.map((c) => `${c[2]} ${c[3]} ${c[7]} ${c[9]} ${c[12]}`))).toEqual(
      counted(queries.map((m) => `${m.client} ${m.clientPort} ${m.id} ${lowered(hexed(m))} ${m.qtype}`)),
    );
    expect(counted(cells.filter((c) => c[14] !== '-').map((c) => `${c[3]} ${c[7]} ${c[14]}`))).toEqual(
      counted(responses.map((m) => `${m.clientPort} ${m.id} ${m.rcode}`)),
    );
  });
  test('EVE of both versions: a record a message, sides as on the wire', () => {
    const wanted = counted(
      messages.map(
        (m) => `${m.isResponse} ${m.client} ${m.clientPort} ${m.id} ${hexed(m)} ${typeNames[m.qtype] ?? m.qtype}`,
      ),
    );
    for (const version of [2, 3]) {
      const got = lines(`eve-v${version}.json`).map((l) => {
        const e = JSON.parse(l);
        const answered = ['answer', 'response'].includes(e.dns.type);
        const question = version === 3 ? e.dns.queries[0] : e.dns;
        return `${answered} ${answered ? e.dest_ip : e.src_ip} ${answered ? e.dest_port : e.src_port} ${e.dns.id} ${question.rrname} ${question.rrtype}`;
      });
      expect(counted(got)).toEqual(wanted);
    }
  });
  test('BIND and Infoblox', () => {
    const asked = counted(queries.map((m) => `${m.client} ${m.clientPort} ${master(m)} ${typeOf(m)}`));
    const bind = lines('bind-query.log').map((l) => matched(patterns.bind, l));
    expect(counted(bind.map((g) => `${g[1]} ${g[2]} ${g[4]} ${g[5]}`))).toEqual(asked);
    const infoblox = lines('infoblox.log');
    const isResponse = (l: string): boolean => l.includes(' response: ');
    const askedThere = infoblox.filter((l) => !isResponse(l)).map((l) => matched(patterns.infobloxQuery, l));
    expect(counted(askedThere.map((g) => `${g[1]} ${g[2]} ${g[4]} ${g[5]}`))).toEqual(asked);
    const told = infoblox.filter(isResponse).map((l) => matched(patterns.infobloxResponse, l));
    expect(counted(told.map((g) => `${g[1]} ${g[2]} ${g[3]} ${g[4]} ${g[5]}`))).toEqual(
      counted(responses.map((m) => `${m.client} ${m.clientPort} ${master(m)} ${typeOf(m)} ${rcodes[m.rcode]}`)),
    );
  });
  test('Unbound: what is not a letter of hosts becomes a question mark', () => {
    const name = (m: ReadMessage): string => m.labels.map((l) => l.replace(/[^A-Za-z0-9_*-]/g, '?')).join('.');
    const rows = lines('unbound.log')
      .slice(1)
      .map((l) => matched(patterns.unbound, l));
    expect(counted(rows.map((g) => `${g[1]} ${g[2]} ${g[3]} ${g[4] ?? ''}`))).toEqual(
      counted(messages.map((m) => `${m.client} ${name(m)}. ${typeOf(m)} ${m.isResponse ? rcodes[m.rcode] : ''}`)),
    );
  });
  test('dnsmasq: unprintable names are not shown', () => {
    const name = (m: ReadMessage): string =>
      /[^\x20-\x7e]/.test(m.labels.join('')) ? '<name unprintable>' : m.labels.join('.');
    const rows = lines('dnsmasq.log').slice(1);
    const asked = rows.filter((l) => l.includes(' query[')).map((l) => matched(patterns.dnsmasqQuery, l));
    for (const l of rows) if (!l.includes(' query[')) matched(patterns.dnsmasqReply, l);
    expect(counted(asked.map((g) => `${g[1]} ${g[2]} ${g[3]} ${g[4]}`))).toEqual(
      counted(queries.map((m) => `${m.client} ${m.clientPort} ${typeNames[m.qtype] ?? `type=${m.qtype}`} ${name(m)}`)),
    );
    expect(asked.some((g) => g[4] === '<name unprintable>')).toBe(true);
  });
  test('CoreDNS and Umbrella: answers', () => {
    const core = lines('coredns.log').map((l) => matched(patterns.coredns, l));
    expect(counted(core.map((g) => g.slice(1, 7).join(' ')))).toEqual(
      counted(
        responses.map(
          (m) => `${m.client} ${m.clientPort} ${m.id} ${typeOf(m)} ${lowered(master(m))}. ${rcodes[m.rcode]}`,
        ),
      ),
    );
    const umbrella = lines('umbrella.csv').map((l) => matched(patterns.umbrella, l));
    expect(counted(umbrella.map((g) => `${g[2]} ${g[3]} ${g[5]} ${g[6]}`))).toEqual(
      counted(responses.map((m) => `${m.client} ${m.qtype} ${rcodes[m.rcode]} ${master(m)}`)),
    );
  });
  test('PowerDNS: a Question and an Answer', () => {
    const rows = lines('pdns.log').map((l) => matched(patterns.pdns, l));
    expect(
      counted(
        rows.map((g) =>
          g
            .slice(1, 7)
            .map((x) => x ?? '')
            .join(' '),
        ),
      ),
    ).toEqual(
      counted(
        messages.map((m) => {
          const name = master(m).replaceAll('\\', '\\\\').replaceAll('"', '\\"');
          return `${m.isResponse ? 'Answer' : 'Question'} ${name} ${typeOf(m)} ${m.isResponse ? m.rcode : ''} ${m.client} ${m.clientPort}`;
        }),
      ),
    );
  });
  test('dnstap: the same messages, byte for byte, in the same order', () => {
    const frames = readFrameStreams(join(dir, 'logs', 'dns.dnstap'));
    expect(frames.length).toBe(messages.length);
    for (const [i, frame] of frames.entries()) {
      const m = messages[i]!;
      const fields = readFields(readFields(frame).get(14) as Buffer);
      expect(fields.get(1)).toBe(m.isResponse ? 6 : 5);
      expect(m.payload.equals(fields.get(m.isResponse ? 14 : 10) as Buffer)).toBe(true);
      const at =
        (fields.get(m.isResponse ? 12 : 8) as number) * 1e6 + (fields.get(m.isResponse ? 13 : 9) as number) / 1000;
      expect([at, fields.get(6), [...(fields.get(4) as Buffer)].join('.')]).toEqual([m.at, m.clientPort, m.client]);
    }
  });
});

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'dns', 'logs');
describe.skipIf(!existsSync(corpus))(
  'grammar of real samples (skipped where the corpus is not there: set PARAPET_CORPUS)',
  () => {
    const sample = (file: string, with_: RegExp): string[] => {
      const found = readFileSync(join(corpus, file), 'utf8')
        .split('\n')
        .filter((l) => with_.test(l));
      expect(found.length, file).toBeGreaterThan(0);
      return found;
    };
    test('the patterns that hold for our lines hold for lines of the servers themselves', () => {
      for (const l of sample('same-queries/bind-query.log', /queries: info/)) matched(patterns.bind, l);
      for (const l of sample('same-queries/unbound.log', /info: [\d.]+ \S+ \w+ IN( |$)/)) matched(patterns.unbound, l);
      for (const l of sample('same-queries/dnsmasq.log', / query\[/)) matched(patterns.dnsmasqQuery, l);
      for (const l of sample('same-queries/dnsmasq.log', / (reply|cached|forwarded) /))
        matched(patterns.dnsmasqReply, l);
      for (const l of sample('same-queries/pdns-recursor.log', /msg="(Question|Answer)"/)) matched(patterns.pdns, l);
      for (const l of sample('coredns.log', /^\[INFO\] \d/)) matched(patterns.coredns, l);
      for (const l of sample('infoblox-nios-dns.log', /response: \w+ \S+ \S+ \d+ IN A /))
        matched(patterns.infobloxResponse, l);
      for (const l of sample('infoblox-nios-dns.log', /\): query: \S+ IN/)) matched(patterns.infobloxQuery, l);
      for (const l of sample('umbrella-dnslogs.csv', /^"20(20|23)-.*"$/).slice(0, 5)) matched(patterns.umbrella, l);
      for (const l of sample('zeek-rita-open-dns.log', /\tudp\t.*(C_INTERNET).*\t(NOERROR|NXDOMAIN)\t/))
        matched(patterns.zeek, l);
    });
    test('fields of Zeek and EVE are those of the samples', () => {
      const fields = (text: string): string => text.split('\n').find((l) => l.startsWith('#fields'))!;
      expect(fields(readFileSync(join(dir, 'logs', 'zeek-dns.log'), 'utf8'))).toBe(
        fields(readFileSync(join(corpus, 'zeek-rita-open-dns.log'), 'utf8')),
      );
      const shapes = (text: string, wanted: (dns: Record<string, unknown>) => boolean): string[] =>
        text
          .split('\n')
          .filter((l) => l.includes('"dns"'))
          .map((l) => JSON.parse(l) as { dns: Record<string, unknown> })
          .filter((e) => wanted(e.dns))
          .map((e) => Object.keys(e.dns).sort().join());
      for (const [file, sample, type] of [
        ['eve-v3.json', 'suricata-eve-dns-v3.json', 'request'],
        ['eve-v3.json', 'suricata-eve-dns-v3.json', 'response'],
      ] as const) {
        const is = (dns: Record<string, unknown>): boolean => dns.type === type;
        const theirs = shapes(readFileSync(join(corpus, sample), 'utf8'), is);
        expect(new Set(shapes(readFileSync(join(dir, 'logs', file), 'utf8'), is)).has(theirs[0]!), type).toBe(true);
      }
    });
  },
);
