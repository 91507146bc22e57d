// doctor on resolvers that are not there: what runs is tried in src/pipeline/dns-audit.test.ts and test/live/dns.test.ts.
import { spawnSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { City } from '#city';
import { adviceText, dnsChecks } from './doctor-dns.ts';

const launcher = fileURLToPath(new URL('../../bin/parapet.js', import.meta.url));
const kinds = ['unbound', 'bind', 'powerdns', 'knot'];
const secret = 'c2VjcmV0IHRoYXQgbm9ib2R5IG1heSBzZWU=';

describe('doctor on resolvers', () => {
  const dir = mkdtempSync(join(tmpdir(), 'parapet-doctor-test-'));
  let closed = 0;
  let mute: Socket;

  beforeAll(async () => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    closed = (server.address() as { port: number }).port;
    await new Promise<void>((done) => server.close(() => done()));
    mute = createSocket('udp4');
    await new Promise<void>((done) => mute.bind(0, '127.0.0.1', done));
    writeFileSync(join(dir, 'key'), secret, { mode: 0o600 });
  });
  afterAll(() => {
    mute.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const consumers = (ask: (kind: string) => object): object => ({
    rpz: {
      listen: `127.0.0.1:${closed}`,
      consumers: kinds.map((kind) => ({
        name: `our-${kind}`,
        kind,
        address: '127.0.0.1',
        ...(kind === 'bind' ? { tsig: { name: 'parapet', secretFile: 'key' } } : {}),
        ...(kind === 'knot' ? { file: join(dir, 'rpz.zone') } : {}),
        ...ask(kind),
      })),
    },
  });
  const city = (response: object, dns: object = {}): City => new City({ response, dns } as never, dir);

  it('prints the set-up of every kind, and no secret', () => {
    const text = adviceText(city(consumers(() => ({}))));
    for (const kind of kinds) expect(text).toContain(`# our-${kind} (${kind}):`);
    expect(text).toContain('qname-wait-recurse no');
    expect(text).not.toContain(secret);
    expect(adviceText(city({}))).toMatch(/^city\.yaml names no resolver/);
  });

  it('names each that does not answer, with a remedy, and does not wait long for one that is mute', async () => {
    const at = (kind: string): object => ({
      ask: `127.0.0.1:${kind === 'bind' ? mute.address().port : closed}`,
    });
    const began = performance.now();
    const found = await dnsChecks(city(consumers(at), { signed: ['city.example'] }), '');
    // Three rounds of two seconds at the most: who can be asked, the audit, the policy zone.
    expect(performance.now() - began).toBeLessThan(9000);
    // Two places are one resolver: it is asked once.
    expect(found.filter((c) => c.what === 'answers').map((c) => c.subject)).toEqual([
      'our-unbound',
      'our-bind',
      'dns.signed',
    ]);
    expect(found.find((c) => c.what === 'served')).toMatchObject({ subject: 'parapet.rpz', ok: false });
    for (const c of found) {
      expect(c.ok).toBe(false);
      expect(c.remedy).not.toBe('');
    }
  }, 15_000);

  it('says that zones could not be looked at where no resolver is named', async () => {
    expect(await dnsChecks(city({}, { signed: ['city.example'] }), '')).toMatchObject([
      { subject: 'dns.signed', what: 'answers', ok: undefined },
    ]);
    expect(await dnsChecks(city({}), '')).toEqual([]);
  });

  it('tells it in words and as ndjson, and nothing essential is missing for it', () => {
    const path = join(dir, 'city.yaml');
    writeFileSync(
      path,
      `city: Test\ndns: {signed: [city.example]}\nresponse:\n  rpz: {listen: "127.0.0.1:${closed}", consumers: [{name: site, kind: unbound, address: 127.0.0.1, ask: "127.0.0.1:${closed}"}]}\n`,
    );
    const run = (format: string): string =>
      spawnSync(process.execPath, [launcher, 'doctor', '--city', path, '--format', format], { encoding: 'utf8' })
        .stdout;
    expect(run('text')).toMatch(/without site: It does not answer by UDP: nothing listens there\. See that it runs/);
    const records = run('ndjson')
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l) as Record<string, unknown>);
    expect(records.find((r) => r.what === 'dns/answers')).toMatchObject({ kind: 'check', ok: false, essential: false });
    expect(records.find((r) => r.what === 'dns/served')).toMatchObject({ ok: false });
    writeFileSync(path, 'city: Test\ndns: {signed: [city.example]}\n');
    expect(run('text')).toMatch(/unsure {2}dns\.signed: No resolver is named/);
  });
});
