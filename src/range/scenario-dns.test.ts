import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadCity } from '#city';
import type { DnsBatch } from '#events';
import { formatAddress } from '#lib/address';
import { seededRandom } from '#lib/random';
import { parseIsoMicros } from '#lib/time';
import { dnsCast } from './attackers/dns-cast.ts';
import { renderDnsBatches } from './encode/dns-batches.ts';
import { runScenario } from './index.ts';
import { type ReadMessage, readCapture } from './testing.ts';
import { DnsWorld, MergedSource, resolverIp } from './worlds/dns/index.ts';

const root = mkdtempSync(join(tmpdir(), 'range-dns-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const small = { clients: 30, days: 0.6 };
const run = (name: string, seed: number, scenario = 'dns-day') =>
  runScenario(scenario, { seed, out: join(root, name), ...small });
const dir = join(root, 'a');
run('a', 7);
const messages = readCapture(join(dir, 'dns.pcap'));
const queries = messages.filter((m) => !m.isResponse);
const responses = messages.filter((m) => m.isResponse);
const hashes = (folder: string): Record<string, string> =>
  Object.fromEntries(
    (readdirSync(folder, { recursive: true }) as string[])
      .filter((f) => f.includes('.'))
      .sort()
      .map((f) => [
        f,
        createHash('sha256')
          .update(readFileSync(join(folder, f)))
          .digest('hex'),
      ]),
  );
interface TruthLine {
  at: string;
  until: string;
  what: string;
  zone?: string;
  assets: string[];
  campaign: string;
  first: { file: string; frame: number };
  leakedBytes: number;
  leakedDownBytes: number;
  leaked: [number, number, number][];
}
const truth = readFileSync(join(dir, 'truth.ndjson'), 'utf8')
  .trim()
  .split('\n')
  .map((l) => JSON.parse(l) as TruthLine);

describe('a run of dns-day', () => {
  test('the same seed gives the same bytes, another seed others', () => {
    run('b', 7);
    expect(hashes(join(root, 'b'))).toEqual(hashes(dir));
    run('c', 8);
    const other = hashes(join(root, 'c'));
    for (const [name, hash] of Object.entries(hashes(dir))) expect(other[name], name).not.toBe(hash);
  });

  test('frames are in the order of time, and each answer follows its question', () => {
    const open = new Set<string>();
    let last = 0;
    for (const m of messages) {
      expect(m.at >= last).toBe(true);
      last = m.at;
      const key = `${m.client} ${m.clientPort} ${m.id} ${m.labels.join('.')} ${m.qtype}`;
      if (m.isResponse) expect(open.has(key), key).toBe(true);
      else open.add(key);
    }
    expect(responses.length).toBeGreaterThan(0.99 * queries.length);
  });

  test('the schema accepts city.yaml, and every asset of truth is in it with the address that the first frame has', () => {
    const city = loadCity(join(dir, 'city.yaml'));
    for (const t of truth) {
      const first = messages[t.first.frame - 1]!;
      expect(first.isResponse, t.campaign).toBe(false);
      expect(city.assetByIp(first.client)?.id, t.campaign).toBe(t.assets[0]);
      expect(Math.abs(first.at - parseIsoMicros(t.at))).toBeLessThan(1000);
    }
  });

  test('truth holds one campaign of each, whose first frame is the first under its zone', () => {
    expect(new Set(truth.map((t) => t.campaign)).size).toBe(truth.length);
    expect(truth.length).toBe(35);
    for (const t of truth) {
      if (t.zone === undefined) continue;
      const mine = queries.filter((m) => `.${m.labels.join('.')}`.endsWith(`.${t.zone}`));
      // Addresses of the reverse zones are also asked honestly.
      if (!t.zone.endsWith('arpa')) expect(mine[0]!.frame, t.campaign).toBe(t.first.frame);
      expect(mine.some((m) => m.frame === t.first.frame)).toBe(true);
    }
  });

  test('leaked octets grow with time, end at the total, and fit into the names sent by then', () => {
    for (const t of truth) {
      let before = [0, 0, 0];
      for (const point of t.leaked) {
        for (const k of [0, 1, 2]) expect(point[k]!).toBeGreaterThanOrEqual(before[k]!);
        before = point;
      }
      if (t.leaked.length > 0) expect(before.slice(1)).toEqual([t.leakedBytes, t.leakedDownBytes]);
      if (t.zone === undefined || t.zone.endsWith('arpa')) continue;
      const room = queries
        .filter((m) => `.${m.labels.join('.')}`.endsWith(`.${t.zone}`))
        .reduce((n, m) => n + m.labels.join('').length - t.zone!.replaceAll('.', '').length, 0);
      if (t.what !== 'dns-covert-channel') expect(t.leakedBytes, t.campaign).toBeLessThanOrEqual(room);
    }
  });

  test('without an attack there is no truth, and the quiet life is the same', () => {
    runScenario('dns-day', { seed: 7, out: join(root, 'calm'), ...small, attack: false, logs: [] });
    expect(readFileSync(join(root, 'calm', 'truth.ndjson'), 'utf8')).toBe('');
    const key = (m: ReadMessage): string =>
      `${m.at} ${m.client} ${m.clientPort} ${m.id} ${m.labels.join('.')} ${m.qtype}`;
    const calm = readCapture(join(root, 'calm', 'dns.pcap'))
      .filter((m) => !m.isResponse)
      .map(key);
    const all = new Set(queries.map(key));
    expect(calm.filter((k) => !all.has(k))).toEqual([]);
    expect(calm.length).toBeLessThan(queries.length);
  });
});

describe('columns', () => {
  test('are those of the capture of the same run', () => {
    const random = seededRandom(7);
    const startMicros = Date.UTC(2026, 2, 2) * 1000;
    const world = new DnsWorld({ seed: 7, ...small, startMicros });
    const cast = dnsCast({
      random: random.split('attacks'),
      clients: world.clients,
      resolver: resolverIp,
      fromMicros: startMicros,
      untilMicros: world.untilMicros,
    });
    let row = 0;
    const check = (batch: DnsBatch): void => {
      for (let i = 0; i < batch.count; i++) {
        const m = messages[row++]!;
        const wire = batch.wire.subarray(batch.wireOffset[i]!, batch.wireOffset[i]! + batch.wireBytes[i]!);
        expect(m.payload.equals(wire)).toBe(true);
        const name = batch.bytes.subarray(batch.nameOffset[i]!, batch.nameOffset[i]! + batch.nameBytes[i]!);
        expect(m.payload.subarray(12, 12 + name.length).equals(name)).toBe(true);
        const got = [batch.at[i], batch.place[i], batch.id[i], batch.flags[i], batch.qtype[i], batch.labelCount[i]];
        expect(got).toEqual([m.at, m.frame, m.id, m.flags, m.qtype, m.labels.length]);
        expect([batch.isResponse[i], batch.rcode[i]]).toEqual(m.isResponse ? [1, m.rcode] : [0, -1]);
        expect([batch.answerCount[i], batch.messageBytes[i]]).toEqual([m.answers, m.payload.length]);
        expect(formatAddress(batch.addresses, 8 * i)).toBe(m.client);
        expect(formatAddress(batch.addresses, 8 * i + 4)).toBe(m.server);
        expect(batch.clientPort[i]).toBe(m.clientPort);
      }
    };
    const rows = renderDnsBatches(new MergedSource([world, ...cast.map((a) => a.attack.source)]), check);
    expect(rows).toBe(messages.length);
  });
});

const tshark = spawnSync('tshark', ['--version']).status === 0;
describe.skipIf(!tshark)('tshark (skipped where it is not installed)', () => {
  test('reads every message, and finds none malformed', () => {
    const fields = [
      'frame.number',
      'dns.id',
      'dns.qry.type',
      'dns.flags.rcode',
      'dns.count.answers',
      '_ws.malformed',
      'dns.resp.ttl',
    ];
    const args = ['-r', join(dir, 'dns.pcap'), '-T', 'fields', ...fields.flatMap((f) => ['-e', f])];
    const out = execFileSync('tshark', args, { maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'ignore'] }).toString();
    const rows = out.trim().split('\n');
    expect(rows.length).toBe(messages.length);
    for (const [i, line] of rows.entries()) {
      const [frame, id, type, rcode, answers, malformed] = line.split('\t');
      const m = messages[i]!;
      expect(malformed, `frame ${frame}`).toBe('');
      expect([Number(id), Number(type!.split(',')[0]), Number(answers)]).toEqual([m.id, m.qtype, m.answers]);
      if (m.isResponse) expect(Number(rcode)).toBe(m.rcode);
    }
  });
});
