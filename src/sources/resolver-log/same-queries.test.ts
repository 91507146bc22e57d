// The same 62 queries through four servers, with the truth beside: the logs must agree with it and with each other.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dnsType } from '../lines/index.ts';
import { type DnsRow, readText } from '../lines/testing.ts';
import { resolverLogs } from './index.ts';

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'dns/logs/same-queries');
const clients = new Set(['10.77.0.20', '10.77.0.67']);

async function rowsOf(format: string, file: string): Promise<{ queries: DnsRow[]; responses: DnsRow[] }> {
  const kind = resolverLogs.find((k) => k.card.name === format)!;
  const { rows } = await readText(kind, readFileSync(join(corpus, file)));
  // Unbound resolves through itself and is asked by its secondary: those are not the 62.
  const own = rows.filter((r) => clients.has(r.client));
  return { queries: own.filter((r) => r.isResponse === 0), responses: own.filter((r) => r.isResponse === 1) };
}

const plain = (r: DnsRow): string => `${r.client} ${r.name} ${r.qtype}`;

describe.skipIf(!existsSync(corpus))('the same queries in four logs (needs the corpus)', () => {
  const truth = (existsSync(corpus) ? readFileSync(join(corpus, 'queries.tsv'), 'latin1') : '')
    .trim()
    .split('\n')
    .slice(1)
    .map((l) => l.split('\t'))
    .map(([client, name, type]) => `${client} ${name} ${dnsType(type!)}`);
  /** What a log can not tell, by its place among the queries. */
  const differs: Readonly<Record<string, Readonly<Record<number, string>>>> = {
    bind: {},
    dnsmasq: { 61: '10.77.0.67 . 1' },
    unbound: { 60: '10.77.0.67 we?ird.corp.example 1', 61: '10.77.0.67 a?b.corp.example 1' },
    'powerdns-recursor': {},
  };
  const files: Readonly<Record<string, string>> = {
    bind: 'bind-query.log',
    dnsmasq: 'dnsmasq.log',
    unbound: 'unbound.log',
    'powerdns-recursor': 'pdns-recursor.log',
  };

  for (const [format, known] of Object.entries(differs))
    it(`${format}: client, name and type of each query are the truth but for what it writes otherwise`, async () => {
      const { queries } = await rowsOf(format, files[format]!);
      expect(queries.map(plain)).toEqual(truth.map((line, i) => known[i] ?? line));
    });

  it('the answers that are told belong to their queries, and their rcodes agree but for the policy zone', async () => {
    const rcodes = new Map<string, Map<string, number>>();
    for (const [format, count] of [
      ['unbound', 62],
      ['dnsmasq', 62],
      // One answer came from the packet cache, whose line tells no rcode.
      ['powerdns-recursor', 61],
    ] as const) {
      const { queries, responses } = await rowsOf(format, files[format]!);
      expect(responses, format).toHaveLength(count);
      const asked = new Set(queries.map(plain));
      for (const r of responses) {
        expect(asked.has(plain(r)), plain(r)).toBe(true);
        const name = plain(r)
          .replace('we?ird', 'we\\032ird')
          .replace('a?b.', 'a\\.b.')
          .replace(' . ', ' a\\.b.corp.example ');
        const of = rcodes.get(name) ?? new Map<string, number>();
        rcodes.set(name, of.set(format, r.rcode));
      }
    }
    const unequal = [...rcodes].filter(([, of]) => new Set(of.values()).size > 1).map(([name]) => name);
    // Each server has its own way with the rules for these two.
    expect(unequal).toEqual(['10.77.0.67 nx.evil.example 1', '10.77.0.67 x.wild.evil.example 1']);
  });

  it('BIND has none, dnsmasq whole seconds without a year, the others the same day', async () => {
    const first = async (format: string): Promise<number> => (await rowsOf(format, files[format]!)).queries[0]!.at;
    expect((await rowsOf('bind', files.bind!)).responses).toEqual([]);
    const day = Date.UTC(2026, 10, 25, 15, 22, 29) * 1e3;
    expect(await first('bind')).toBe(day + 823_000);
    expect(await first('unbound')).toBe(day);
    expect(await first('powerdns-recursor')).toBe(day + 851_000);
    expect(await first('dnsmasq')).toBe(Date.UTC(1972, 10, 25, 15, 22, 29) * 1e3);
  });

  it('dnsmasq: addresses of answers, and the hidden name is a fault with its line', async () => {
    const kind = resolverLogs.find((k) => k.card.name === 'dnsmasq')!;
    const { rows, faults } = await readText(kind, readFileSync(join(corpus, 'dnsmasq.log')));
    expect(faults).toEqual([{ code: 'RESOLVER_NAME_HIDDEN', line: 185 }]);
    const sink = rows.find((r) => r.isResponse === 1 && r.name === 'sink.evil.example');
    expect(sink).toMatchObject({ rcode: 0, answers: 1, answerType: 1, addresses: ['10.77.0.250'], clientPort: 35017 });
  });
});
