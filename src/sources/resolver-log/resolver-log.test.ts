import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { eve } from '../eve/index.ts';
import { LINE_BYTES_MAX } from '../lines/index.ts';
import { type Collector, readText } from '../lines/testing.ts';
import { ndjson } from '../ndjson/index.ts';
import { zeek } from '../zeek/index.ts';
import { resolverLogKinds, resolverLogs } from './index.ts';
import { Stamps } from './stamps.ts';

const kindOf = (name: string) => resolverLogs.find((k) => k.card.name === name)!;
const read = (name: string, ...lines: string[]): Promise<Collector> => readText(kindOf(name), `${lines.join('\n')}\n`);
const micros = (iso: string): number => Date.parse(iso) * 1e3;

describe('stamps', () => {
  const all = (texts: string[], head = '', settings = {}): string[] => {
    const stamps = new Stamps(settings, head);
    return texts.map((t) => {
      const from = stamps.read(t);
      return `${new Date(stamps.at / 1e3).toISOString()}${stamps.isTold ? '' : '?'}|${t.slice(from)}`;
    });
  };

  it('every form', () => {
    expect(
      all([
        '2026-11-25T15:22:29.823456Z x',
        '2026-11-25 15:22:29,823 x',
        '2019-03-18T22:13:36.289-07:00 x',
        '2019-03-18T22:13:36+0200 x',
        '25-Nov-2026 15:22:29.823 x',
        '<30>Nov  5 15:22:29 host x',
        '<30>1 2026-11-25T15:22:29Z x',
        '[1795620149] x',
        '[1795620149.25] x',
        'no time',
        '99-Nov-2026 15:22:29 x',
      ]),
    ).toEqual([
      '2026-11-25T15:22:29.823Z| x',
      '2026-11-25T15:22:29.823Z| x',
      '2019-03-19T05:13:36.289Z| x',
      '2019-03-18T20:13:36.000Z| x',
      '2026-11-25T15:22:29.823Z| x',
      '2026-11-05T15:22:29.000Z| host x',
      '2026-11-25T15:22:29.000Z| x',
      '2026-11-25T15:22:29.000Z| x',
      '2026-11-25T15:22:29.250Z| x',
      '2026-11-25T15:22:29.250Z?|no time',
      '2026-11-25T15:22:29.250Z?|99-Nov-2026 15:22:29 x',
    ]);
  });

  it('the year: 1972 or as told, on over New Year, back over it for what comes late, from dates in the head', () => {
    const lines = ['Dec 31 23:59:59', 'Jan  1 00:00:00', 'Dec 31 23:59:59', 'Jan  1 00:00:01', 'Nov  1 00:00:00'];
    const days = (texts: string[]): string[] => texts.map((t) => t.slice(0, 10));
    const expected = [0, 1, 0, 1, 1].map(
      (add, i) => `${1972 + add}-${['12-31', '01-01', '12-31', '01-01', '11-01'][i]}`,
    );
    expect(days(all(lines))).toEqual(expected);
    expect(days(all(['Feb 29 00:00:00']))).toEqual(['1972-02-29']);
    expect(days(all(['Dec 31 00:00:00', 'Feb 29 00:00:00']))).toEqual(['1972-12-31', '1973-03-01']);
    expect(days(all(lines.slice(0, 2), '', { year: 2025 }))).toEqual(['2025-12-31', '2026-01-01']);
    expect(days(all(['Jan  2 00:00:00'], 'x 31-Dec-2024 10:00:00 y'))).toEqual(['2025-01-02']);
    expect(days(all(['Jan  2 00:00:00'], 'ts="1735639200.5"'))).toEqual(['2025-01-02']);
  });

  it('no zone is UTC, or the zone that is told', () => {
    expect(all(['25-Nov-2026 01:00:00', '2026-11-25T01:00:00Z'], '', { zoneMinutes: 120 })).toEqual([
      '2026-11-24T23:00:00.000Z|',
      '2026-11-25T01:00:00.000Z|',
    ]);
  });
});

describe('BIND', () => {
  it('queries with and without prefix, view, key and flags', async () => {
    const tail =
      'client @0x7f 2001:db8::1#5353/key k (A.example): view in: query: A.example IN TYPE65399 -E(0)TDC (192.0.2.1)';
    for (const prefix of [
      '25-Nov-2026 15:22:29.823 queries: info: ',
      '2026-11-25T15:22:29.823Z ',
      '<30>Nov 25 15:22:29 h named[1]: ',
      '',
    ]) {
      const { rows, faults } = await read('bind', `${prefix}${tail}`);
      expect(faults.map((f) => f.code)).toEqual(prefix === '' ? ['RESOLVER_TIME'] : []);
      expect(rows).toHaveLength(1);
      expect(rows[0]).toMatchObject({
        client: '2001:db8::1',
        clientPort: 5353,
        server: '192.0.2.1',
        name: 'A.example',
        qtype: 65399,
        isResponse: 0,
        rcode: -1,
        transport: 6,
        flags: 0x0010,
        dnssecOk: 1,
      });
    }
  });

  it('RPZ: what a policy answers is a response, what it lets pass is a query; failures have their rcode', async () => {
    const at = '25-Nov-2026 15:22:29.823 rpz: info: client @0x7f 10.0.0.1#5 (x.example): ';
    const { rows, faults } = await read(
      'bind',
      `${at}rpz QNAME NXDOMAIN rewrite x.example/A/IN via x.example.rpz`,
      `${at}view v: rpz QNAME NODATA rewrite x.example/TXT/IN via x.example.rpz`,
      `${at}rpz QNAME PASSTHRU rewrite x.example/A/IN via x.example.rpz`,
      `${at}disabled rpz QNAME NXDOMAIN rewrite x.example/A/IN via x.example.rpz`,
      `${at}rpz IP Local-Data rewrite x.example via 32.1.2.3.4.rpz-ip.rpz`,
      `${at}query failed (SERVFAIL) for x.example/IN/AAAA at query.c:7`,
      `${at}query: broken`,
      '25-Nov-2026 15:22:29.823 general: info: managed-keys-zone: loaded',
      'rubbish',
    );
    expect(rows.map((r) => [r.isResponse, r.rcode, r.qtype])).toEqual([
      [1, 3, 1],
      [1, 0, 16],
      [0, -1, 1],
      [0, -1, 1],
      [1, 0, 0],
      [1, 2, 28],
    ]);
    expect(faults).toEqual([
      { code: 'RESOLVER_LINE', line: 7 },
      { code: 'RESOLVER_LINE', line: 9 },
    ]);
  });
});

describe('Unbound', () => {
  it('tagged lines, syslog, ISO times; public fault 1: the longest name', async () => {
    const long = Array(127).fill('a').join('.');
    const { rows, faults } = await read(
      'unbound',
      `[1795620149] unbound[1:0] query: 10.0.0.1 ${long}. A IN`,
      '2026-11-25T15:22:29.250+00:00 unbound[1:a] reply: ::1 b.example. TYPE65399 IN NOERROR 0.000655 0 98',
      'Nov 25 15:22:30 host unbound[1]: [1:0] info: 10.0.0.1 . NS IN SERVFAIL 0.1 1 17',
      '[1795620150] unbound[1:0] info: start of service (unbound 1.17.1).',
      '[1795620150] unbound[1:0] info: resolving c.example. A IN',
    );
    expect(faults).toEqual([]);
    expect(rows.map((r) => [r.client, r.name, r.qtype, r.rcode, r.messageBytes])).toEqual([
      ['10.0.0.1', long, 1, -1, 0],
      ['::1', 'b.example', 65399, 0, 98],
      ['10.0.0.1', '.', 2, 2, 17],
    ]);
  });

  it('an RPZ line is a row only where replies are not logged', async () => {
    const rpz =
      '[1795620155] unbound[1:0] info: rpz: applied [t] x.example. rpz-nxdomain 10.0.0.1@59349 x.example. A IN';
    const reply = '[1795620155] unbound[1:0] info: 10.0.0.1 x.example. A IN NXDOMAIN 0.000000 1 44';
    expect((await read('unbound', rpz)).rows[0]).toMatchObject({ clientPort: 59349, rcode: 3, isResponse: 1 });
    expect((await read('unbound', reply, rpz)).rows).toHaveLength(1);
  });
});

describe('dnsmasq', () => {
  const at = 'Nov 25 15:22:29 dnsmasq[7]: ';

  it('plain: answers find their query by name and family; an alias goes on', async () => {
    const { rows, faults } = await read(
      'dnsmasq',
      `${at}query[A] w.example from 10.0.0.1`,
      `${at}query[AAAA] w.example from 10.0.0.2`,
      `${at}forwarded w.example to 9.9.9.9`,
      `${at}reply w.example is 2001:db8::1`,
      `${at}query[A] alias.example from 10.0.0.3`,
      `${at}reply alias.example is <CNAME>`,
      `${at}reply target.example is 192.0.2.7`,
      `${at}reply nobody.example is 192.0.2.7`,
      `${at}query[A] ads.example from 10.0.0.4`,
      `${at}gravity blocked ads.example is 0.0.0.0`,
      `${at}query[TXT] n.example from 10.0.0.4`,
      `${at}cached n.example is NODATA`,
    );
    expect(faults).toEqual([]);
    expect(
      rows.filter((r) => r.isResponse === 1).map((r) => [r.client, r.name, r.rcode, r.answers, r.addresses]),
    ).toEqual([
      ['10.0.0.2', 'w.example', 0, 1, ['2001:db8::1']],
      ['10.0.0.3', 'alias.example', 0, 2, ['192.0.2.7']],
      ['10.0.0.4', 'ads.example', 0, 1, ['0.0.0.0']],
      ['10.0.0.4', 'n.example', 0, 0, []],
    ]);
  });

  it('extra: a serial ties the answer; an alias from the cache waits for its target', async () => {
    const { rows } = await read(
      'dnsmasq',
      `${at}1 10.0.0.1/99 query[type=65] a.example from 10.0.0.1`,
      `${at}2 10.0.0.2/98 query[A] b.example from 10.0.0.2`,
      `${at}2 10.0.0.2/98 cached b.example is <CNAME>`,
      `${at}2 10.0.0.2/98 forwarded b.example to 9.9.9.9`,
      `${at}1 10.0.0.1/99 reply error is SERVFAIL`,
      `${at}2 10.0.0.2/98 reply b.example is <CNAME>`,
      `${at}2 10.0.0.2/98 reply t.example is 192.0.2.7`,
    );
    expect(rows.map((r) => [r.isResponse, r.clientPort, r.name, r.qtype, r.rcode, r.answers])).toEqual([
      [0, 99, 'a.example', 65, -1, 0],
      [0, 98, 'b.example', 1, -1, 0],
      [1, 99, 'a.example', 65, 2, 0],
      [1, 98, 'b.example', 1, 0, 2],
    ]);
  });

  it('a name that does not print has no name, a fault each, and never one domain; no name can forge a client', async () => {
    const { rows, faults } = await read(
      'dnsmasq',
      `${at}query[NULL] <name unprintable> from 10.0.0.1`,
      `${at}query[NULL] <name unprintable> from 10.0.0.1`,
      `${at}query[A] x from 10.9.9.9 from 10.0.0.1`,
      `${at}query[A] back\\slash.example from 10.0.0.1`,
    );
    expect(faults.map((f) => [f.code, f.line])).toEqual([
      ['RESOLVER_NAME_HIDDEN', 1],
      ['RESOLVER_NAME_HIDDEN', 2],
    ]);
    expect(rows.map((r) => [r.client, r.name, r.nameBytes === 1])).toEqual([
      ['10.0.0.1', '.', true],
      ['10.0.0.1', '.', true],
      ['10.0.0.1', 'x\\032from\\03210.9.9.9', false],
      ['10.0.0.1', 'back\\\\slash.example', false],
    ]);
  });
});

describe('PowerDNS Recursor', () => {
  it('classic text: an answer finds its question; the packet cache hides the name', async () => {
    const at = 'Nov 25 15:22:29 host pdns_recursor[1]: ';
    const { rows, faults } = await read(
      'powerdns-recursor',
      `${at}3 [12/2] question for 'a|b.example|A' from 10.0.0.1:55002 (ecs 10.1.0.0/16)`,
      `${at}3 [13/1] TCP question for 'c.example|TYPE65399' from [::1]:7`,
      `${at}3 [12/1] answer to question 'a|b.example|A': 2 answers, 1 additional, took 1 packets, 0.3 netw ms, rcode=3`,
      `${at}3 question answered from packet cache tag=0 from 10.0.0.2:55003`,
      `${at}stats: 4 questions`,
    );
    expect(faults).toEqual([{ code: 'RESOLVER_NAME_HIDDEN', line: 4 }]);
    expect(rows.map((r) => [r.client, r.clientPort, r.name, r.qtype, r.transport, r.rcode, r.answers])).toEqual([
      ['10.0.0.1', 55002, 'a|b.example', 1, 17, -1, 0],
      ['::1', 7, 'c.example', 65399, 6, -1, 0],
      ['10.0.0.1', 55002, 'a|b.example', 1, 17, 3, 2],
      ['10.0.0.2', 55003, '.', 0, 17, -1, 0],
    ]);
  });

  it('public fault 3: an extended rcode is whole; no name can look like a pair', async () => {
    const { rows } = await read(
      'powerdns-recursor',
      'Nov 25 15:22:29 msg="Answer" subsystem="syncres" ts="1795620149.852" answers="0" proto="tcp" qname="x\\" remote=\\"1.1.1.1.example" qtype="A" rcode="16" rd="1" remote="10.0.0.1:5"',
    );
    expect(rows[0]).toMatchObject({ client: '10.0.0.1', rcode: 16, transport: 6, flags: 0x8100, at: 1795620149852000 });
    expect(rows[0]!.name).toContain('remote=');
  });
});

describe('CoreDNS, Umbrella, NIOS', () => {
  it('CoreDNS: a blank in a name is escaped; a query that was not answered', async () => {
    const { rows, faults } = await read(
      'coredns',
      '2019-03-06T08:55:28.903Z stdout F [INFO] [::1]:5 - 7 "A IN we\\ ird.example. tcp 43 true 512" - - 0 0.1s',
      '[INFO] plugin/reload: Running configuration',
      '2019-03-06T08:55:29Z [INFO] 10.0.0.1:5 - 7 "TYPE65399 IN a. udp',
    );
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ name: 'we\\032ird.example', isResponse: 0, transport: 6, dnssecOk: 1, rcode: -1 });
    expect(faults).toEqual([{ code: 'RESOLVER_LINE', line: 3 }]);
  });

  it('Umbrella: commas in quotes, doubled quotes, an empty internal address, a header', async () => {
    const { rows, faults } = await read(
      'umbrella',
      'Timestamp,Most Granular Identity,Identities,InternalIp,ExternalIp,Action,QueryType,ResponseCode,Domain',
      '"2020-07-23 23:49:54","a, ""b""", "a,b","","81.2.69.144","Allowed","65 (HTTPS)","NXDOMAIN","x.example."',
      '"2020-07-23 23:49:54","short"',
    );
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ client: '81.2.69.144', qtype: 65, rcode: 3, at: micros('2020-07-23T23:49:54Z') });
    expect(faults).toEqual([{ code: 'RESOLVER_LINE', line: 3 }]);
  });

  it('NIOS: all records of a response, semicolons in quotes; the whole date inside wins', async () => {
    const { rows } = await read(
      'infoblox',
      '<30>Mar 11 23:51:31 h named[1]: 07-Apr-2022 08:08:10.043 client 10.0.0.1#5: view 1: UDP: query: a.example IN A response: NOERROR +A a.example. 300 IN CNAME b.example.; b.example. 20 IN A 192.0.2.3; b.example. 20 IN TXT "x; y" "z";',
    );
    expect(rows[0]).toMatchObject({
      at: micros('2022-04-07T08:08:10.043Z'),
      answers: 3,
      answerType: 1,
      dataBytes: 11 + 5,
      ttl: 20,
      addresses: ['192.0.2.3'],
      flags: 0x8500,
    });
  });
});

describe('all formats', () => {
  it('each says what it does not tell, and has the settings of its maker', async () => {
    for (const { card } of resolverLogs) expect(card.doesNotTell.dns.length, card.name).toBeGreaterThan(0);
    const kind = resolverLogKinds({ year: 2025, zoneMinutes: 60 }).find((k) => k.card.name === 'dnsmasq')!;
    const { rows } = await readText(kind, 'Nov 25 01:00:00 dnsmasq[7]: query[A] a.example from 10.0.0.1\n');
    expect(rows[0]!.at).toBe(micros('2025-11-25T00:00:00Z'));
  });

  it('a name can not make one format look like another', () => {
    const lines: [string, string][] = [
      ['bind', 'client @0x7f 10.0.0.1#5 (dnsmasq[1]:): query: dnsmasq[1]: IN A + (10.0.0.2)'],
      [
        'bind',
        '25-Nov-2026 15:22:29.823 queries: info: client @0x7f 10.0.0.1#5 (unbound[1:0]): query: unbound[1:0] IN A + (10.0.0.2)',
      ],
      ['dnsmasq', 'Nov 25 15:22:29 dnsmasq[7]: query[A] x named[1]: client 1.1.1.1#5 (x): query: from 10.0.0.1'],
    ];
    for (const [name, line] of lines)
      expect(resolverLogs.filter((k) => k.probe(Buffer.from(line), 'x')).map((k) => k.card.name)).toEqual([name]);
  });

  const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'dns/logs');
  describe.skipIf(!existsSync(corpus))('on the corpus (needs it)', () => {
    const bytesOf = (path: string): Buffer => {
      const bytes = readFileSync(join(corpus, path));
      return path.endsWith('.gz') ? gunzipSync(bytes) : bytes;
    };
    /** Kind, rows and faults of each log that is not Zeek's. */
    const expected: Readonly<Record<string, [string, number, Record<string, number>]>> = {
      'coredns.log': ['coredns', 9, { RESOLVER_TIME: 7 }],
      'infoblox-nios-dns.log': ['infoblox', 13, {}],
      'suricata-eve-dns-v1-v2-4.1.4.json': ['eve', 5, {}],
      'suricata-eve-dns-v3.json': ['eve', 2, {}],
      'umbrella-dnslogs.csv': ['umbrella', 11, {}],
      'same-queries/bind-query.log': ['bind', 62, {}],
      'same-queries/dnsmasq.log': ['dnsmasq', 124, { RESOLVER_NAME_HIDDEN: 1 }],
      'same-queries/pdns-recursor.log': ['powerdns-recursor', 123, {}],
      'same-queries/unbound.log': ['unbound', 252, {}],
    };
    const all = [ndjson, zeek, eve, ...resolverLogs];

    it('every log is claimed by one kind, and read with no fault that is not explained', async () => {
      const paths = readdirSync(corpus, { recursive: true })
        .map(String)
        .filter((p) => /\.(log|json|csv|gz|labeled)$/.test(p));
      expect(paths.length).toBeGreaterThan(15);
      for (const path of paths) {
        const bytes = bytesOf(path);
        const claims = all.filter((k) => k.probe(bytes.subarray(0, 4096), path));
        const [name, rows, faults] = expected[path] ?? ['zeek', -1, {}];
        expect(
          claims.map((k) => k.card.name),
          path,
        ).toEqual([name]);
        const seen = await readText(claims[0]!, bytes);
        const counts: Record<string, number> = {};
        for (const f of seen.faults) counts[f.code] = (counts[f.code] ?? 0) + 1;
        expect(counts, path).toEqual(faults);
        if (rows >= 0) expect(seen.rows.length, path).toBe(rows);
        else expect(seen.rows.length, path).toBeGreaterThan(3);
      }
    });

    for (const [path, [name]] of Object.entries(expected).filter(([p]) => !p.endsWith('v3.json')))
      it(`${name}: ten thousand mutated lines give rows within their bounds, and no throw`, async () => {
        const lines = bytesOf(path)
          .toString('latin1')
          .split('\n')
          .filter((l) => l !== '');
        const random = lcg(7);
        const text = Array.from({ length: 10_000 }, () => mutate(lines[random(lines.length)]!, random)).join('\n');
        const kind = all.find((k) => k.card.name === name)!;
        const { rows, faults } = await readText(kind, text);
        expect(rows.length).toBeGreaterThan(1000);
        expect(faults.length).toBeGreaterThan(10);
        for (const r of rows)
          if (!(Number.isSafeInteger(r.at) && r.at >= 0 && r.nameBytes >= 1 && r.nameBytes <= 255 && r.rcode <= 4095))
            expect.fail(JSON.stringify(r));
        for (const f of faults) if (!Object.hasOwn(kind.card.faults, f.code)) expect.fail(f.code);
      });
  });

  it('lines made to cost much end soon', async () => {
    const runs = [
      '1',
      ' ',
      '"',
      '\\',
      '/A',
      "|A'",
      'a ',
      ' - 1 "',
      '[1/',
      ';',
      '"",',
      ' is ',
      ' from 1.1.1.1',
      'client ',
    ];
    const heads = [
      'Nov 25 15:22:29 dnsmasq[7]: reply ',
      'Nov 25 15:22:29 dnsmasq[7]: query[A] ',
      "Nov 25 15:22:29 pdns_recursor[1]: 3 [12/2] question for '",
      'Nov 25 15:22:29 msg="Question" qname="',
      '[1795620149] unbound[1:0] info: ',
      '[INFO] 10.0.0.1:5 - 7 "A IN ',
      '"2020-07-23 23:49:54","',
      '25-Nov-2026 15:22:29.823 client @0x7f 10.0.0.1#5 (x): rpz QNAME NXDOMAIN rewrite ',
      '25-Nov-2026 15:22:29.823 client 10.0.0.1#5: UDP: query: a IN A response: NOERROR + ',
    ];
    const bytes = LINE_BYTES_MAX >> 2;
    const text = heads.flatMap((h) => runs.map((r) => h + r.repeat(bytes / r.length))).join('\n');
    const began = performance.now();
    for (const kind of resolverLogs) await readText(kind, text);
    // Some 0.2 s a format; what backtracks over such a line takes hours.
    expect(performance.now() - began).toBeLessThan(30_000);
  });
});

/** Numbers below a bound, the same in each run. */
function lcg(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** One to three changes: an octet, a cut, a doubled part, a part left out, two parts that change places. */
function mutate(line: string, random: (below: number) => number): string {
  let text = line;
  for (let n = random(3); n >= 0; n--) {
    const a = random(text.length + 1);
    const b = Math.min(text.length, a + random(12));
    const kind = random(5);
    if (kind === 0) text = `${text.slice(0, a)}${String.fromCharCode(random(256))}${text.slice(a + 1)}`;
    else if (kind === 1) text = random(4) === 0 ? text.slice(0, a) : text;
    else if (kind === 2) text = text.slice(0, b) + text.slice(a);
    else if (kind === 3) text = text.slice(0, a) + text.slice(b);
    else text = text.slice(0, a) + text.slice(b, b + 5) + text.slice(a, b) + text.slice(b + 5);
  }
  return text.replace(/[\r\n]/g, ' ');
}
