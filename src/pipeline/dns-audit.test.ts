// Real zones, signed by Knot and by BIND's tools; Unbound with validation and without. Skipped where they are not installed.
import { createSocket } from 'node:dgram';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditWorld, freePort, missing } from './dns-audit.fixture.ts';
import { type AuditCheck, auditResolver, auditZone, type Place } from './dns-audit.ts';

if (missing !== '') console.log(`skipped: not installed: ${missing}`);
const nowSeconds = Math.floor(Date.now() / 1000);

describe.skipIf(missing !== '')('an audit of real zones through real resolvers', () => {
  const world = new AuditWorld();
  let validating: Place;
  let trusting: Place;

  beforeAll(async () => {
    world.selfSigned('sound.example', 'bare NS ns\n');
    world.plain('bare.sound.example', 'www A 192.0.2.1\n');
    world.plain('unsigned.example', '');
    world.signed('broken.example', { change: (t) => t.replace('192.0.2.1', '203.0.113.9') });
    // Its SOA itself, so that the zone as a whole is broken.
    world.signed('rotten.example', { change: (t) => t.replace(/(hostmaster\S*\s*\(\s*)7\b/, '$18') });
    world.signed('late.example', { words: ['-s', 'now-2419200', '-e', 'now+172800'] });
    world.signed('brief.example', { words: ['-s', 'now-3600', '-e', 'now+172800'] });
    world.signed('gone.example', { words: ['-P', '-s', 'now-2592000', '-e', 'now-86400'] });
    world.signed('old.example', {
      algorithm: 'NSEC3RSASHA1',
      words: ['-3', 'abcd', '-H', '5', '-e', 'now+2592000'],
    });
    world.signed('split.example', { records: '@ NS ns2\nns2 A 127.0.0.2\n' });
    world.plain('split.example', '@ NS ns2\nns2 A 127.0.0.2\n', 6, 2);
    await world.start();
    validating = await world.unbound('validating', 'validator iterator', 'www.sound.example');
    trusting = await world.unbound('trusting', 'iterator', 'www.sound.example');
  }, 30_000);
  afterAll(() => world.stop());

  const checks = (zone: string, lines: readonly string[] = world.anchors, by = validating): Promise<AuditCheck[]> =>
    auditZone(zone, by, lines, nowSeconds, world.serverPort);
  const audit = async (zone: string, by = validating): Promise<Record<string, boolean | undefined>> =>
    Object.fromEntries((await checks(zone, world.anchors, by)).map((c) => [c.what, c.ok]));
  const wrongIn = async (zone: string, lines?: readonly string[]): Promise<string[]> =>
    (await checks(zone, lines)).filter((c) => c.ok === false).map((c) => `${c.what}: ${c.text}`);

  const everything = { chain: true, denial: true, signatures: true, algorithms: true, servers: true };
  it('a zone that Knot signs by itself passes every check, whichever resolver is asked', async () => {
    expect(await audit('sound.example')).toEqual(everything);
    expect(await audit('sound.example', trusting)).toEqual(everything);
  });

  it('a zone with a record changed after it was signed is named, with what is wrong', async () => {
    const [found, ...more] = (await checks('rotten.example')).filter((c) => c.ok === false);
    expect(found).toMatchObject({ subject: 'rotten.example', what: 'chain', status: 'bogus' });
    expect(found!.text).toMatch(/No signature over records of rotten\.example\.? verifies/);
    expect(more).toEqual([]);
  });

  it('signatures that end within a week are told, and those that ended', async () => {
    const late = await wrongIn('late.example');
    expect(late).toHaveLength(1);
    expect(late[0]).toMatch(/^signatures: .* in [12]\.\d days of 30/);
    const gone = await wrongIn('gone.example');
    expect(gone.join('\n')).toMatch(/^chain: .*expired/m);
    expect(gone.join('\n')).toMatch(/^signatures: A signature ran out/m);
  });

  it('signatures of a short life, as those who sign at each answer make, are told as unsure', async () => {
    expect(await audit('brief.example')).toEqual({ ...everything, signatures: undefined });
  });

  it('SHA-1 keys (RFC 8624) and NSEC3 with iterations and salt (RFC 9276) are told', async () => {
    const found = (await wrongIn('old.example')).join('\n');
    expect(found).toMatch(/^algorithms: It has keys of algorithm 7,/m);
    expect(found).toMatch(/^nsec3: NSEC3 with 5 further iterations and 2 octets of salt/m);
  });

  it('a zone signed by other keys than its anchor names is told in words', async () => {
    const wrong = world.anchors.map((a) => a.replace(/[0-9a-f]{8}$/i, '00000000'));
    const [found] = await wrongIn('sound.example', wrong);
    expect(found).toMatch(/^chain: No key of sound\.example\.? matches/);
  });

  it('a zone whose parent has no DS record is told', async () => {
    const found = await checks('bare.sound.example');
    expect(found[0]).toMatchObject({ what: 'chain', ok: false, status: 'insecure' });
    expect(found[0]!.text).toMatch(/^No DS record/);
    expect(found.map((c) => c.what)).toEqual(['chain', 'servers']);
  });

  it('servers that disagree, and one that gives the zone unsigned, are named', async () => {
    const found = (await wrongIn('split.example')).join('\n');
    expect(found).toMatch(/^server: ns2\.split\.example\.? \(127\.0\.0\.2\) gives the zone unsigned/m);
    expect(found).toMatch(/^serials: .*serial 7 at ns\..*serial 6 at ns2\./m);
  });

  it('an unsigned zone has servers that give it unsigned, and no chain', async () => {
    const found = await audit('unsigned.example');
    expect(found.chain).not.toBe(true);
    expect(found.server).toBe(false);
  });

  it('anchors that can not be read are told', async () => {
    expect((await wrongIn('sound.example', [...world.anchors, 'sound.example DS x']))[0]).toMatch(/^anchors: 1 of/);
  });

  const told = async (r: Place, more: object): Promise<AuditCheck> =>
    (await auditResolver(r, { nowSeconds, anchors: world.anchors, sound: 'sound.example', ...more })).find(
      (c) => c.what === 'validates',
    )!;
  it.each(['www.broken.example', 'rotten.example'])(
    'a resolver that validates and one that does not are told apart by %s',
    async (broken) => {
      const brokenType = broken.startsWith('www') ? 1 : 6;
      expect(await told(validating, { broken, brokenType })).toMatchObject({ ok: true });
      const no = await told(trusting, { broken, brokenType });
      expect(no).toMatchObject({ ok: false });
      expect(no.text).toContain(`hands out ${broken}`);
    },
  );

  it('without a broken name AD is not believed, and its absence is told', async () => {
    expect(await told(validating, {})).toMatchObject({ ok: undefined });
    expect(await told(trusting, {})).toMatchObject({ ok: false });
  });

  it('a name that is not broken, unsigned or dead proves nothing against a resolver', async () => {
    for (const broken of ['www.sound.example', 'www.bare.sound.example', 'nothing.broken.example']) {
      const found = await told(validating, { broken });
      expect(found.ok, found.text).toBe(undefined);
    }
    // What stays is that it says no AD of a signed zone.
    expect((await told(trusting, { broken: 'www.bare.sound.example' })).text).toContain('is no test');
  });

  it('a zone that is not signed is no reason to say that a resolver does not validate', async () => {
    expect(await told(validating, { sound: 'bare.sound.example' })).toMatchObject({ ok: undefined });
  });
});

describe('a resolver that is not there', () => {
  it('or refuses us, is told within its time, with a remedy', async () => {
    const gone = await auditResolver({ address: '127.0.0.1', port: await freePort() }, { nowSeconds });
    expect(gone).toHaveLength(1);
    expect(gone[0]).toMatchObject({ what: 'answers', ok: false });
    expect(gone[0]!.remedy).not.toBe('');
    const zone = await auditZone('city.example', { address: '127.0.0.1', port: await freePort() }, [], nowSeconds);
    expect(zone.map((c) => [c.what, c.ok])).toEqual([['answers', false]]);
  });

  it('or takes questions and never answers, costs two seconds', async () => {
    const mute = createSocket('udp4');
    await new Promise<void>((done) => mute.bind(0, '127.0.0.1', done));
    const place = { address: '127.0.0.1', port: mute.address().port };
    const began = performance.now();
    const found = await Promise.all([
      auditResolver(place, { nowSeconds }),
      auditZone('a.example', place, [], nowSeconds),
    ]);
    // Four seconds leave room for a busy machine.
    expect(performance.now() - began).toBeLessThan(4000);
    mute.close();
    expect(found.map((f) => f.map((c) => c.ok))).toEqual([[false], [false]]);
  });
});
