import { generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { City } from '#city';
import { DnsBatch, parseAddress } from '#events';
import type { Coverage } from '#findings';
import { addressHash } from '#lib/address';
import { textToWire } from '#lib/wirename';
import { type CityFile, FlowBench } from '../testing.ts';
import { DEVICES_MAX } from './card.ts';
import { proxyware } from './index.ts';
import { builtInList, checkList, ENTRIES_MAX, type Entry, FILE_BYTES_MAX, readSignedList } from './list.ts';
import { hasDashedAddress, NameIndex } from './names.ts';

const meter: CityFile = { assets: [{ id: 'meter-1', role: 'smart-meter', ip: '10.0.0.1' }] };
const first = (role: Entry['role'], confidence = 'high'): Entry =>
  builtInList.entries.find((e) => e.role === role && e.confidence === confidence)!;
const text = (s: string): Uint8Array => new TextEncoder().encode(s);
let flows = 0;
const speak = (b: FlowBench, name: string, at = 1, from = '10.0.0.1', toPort = 443): void =>
  b.row({ at, flow: ++flows, from, name, toPort });

describe('fires on', () => {
  it('each control, gateway and enrolment name read in client code: high', () => {
    for (const e of builtInList.entries) {
      if (!['control', 'gateway', 'register'].includes(e.role) || e.confidence !== 'high') continue;
      const b = new FlowBench(proxyware, meter);
      speak(b, e.name);
      if (e.role === 'register') expect(b.all[0]!.bits, e.name).toBeGreaterThan(8);
      else
        expect(b.all[0], e.name).toMatchObject({
          severity: e.confidence === 'high' ? 'high' : 'medium',
          tool: e.service,
          asset: { id: 'meter-1' },
        });
      expect(b.all[0]!.reasons[0]!.text).toContain(e.name);
    }
  });
  it('names below it, in any case, with the final dot', () => {
    for (const name of ['a.b.%', '%', '%.'].map((p) => p.replace('%', first('control').name))) {
      const b = new FlowBench(proxyware, meter);
      speak(b, name.toUpperCase());
      expect(b.all, name).toHaveLength(1);
    }
  });
  it('a question in DNS, weaker than a flow', () => {
    const asked = new FlowBench(proxyware, meter);
    ask(asked, first('control').name);
    const spoken = new FlowBench(proxyware, meter);
    speak(spoken, first('control').name);
    expect(asked.all[0]).toMatchObject({ severity: 'medium' });
    expect(asked.all[0]!.bits).toBeLessThan(spoken.all[0]!.bits);
  });
});

describe('silent on', () => {
  it('names that only end alike', () => {
    const b = new FlowBench(proxyware, meter);
    const parents = builtInList.entries.filter((e) => e.role !== 'site').map((e) => e.name);
    for (const e of builtInList.entries) {
      if (parents.some((p) => e.name.endsWith(`.${p}`))) continue;
      speak(b, `not${e.name}`);
      speak(b, `${e.name}.example`);
      speak(b, e.name.slice(1));
    }
    // What is left matches a shorter entry of the list on a dot boundary or nothing.
    expect(b.all).toEqual([]);
  });
  it('web sites, however many', () => {
    const b = new FlowBench(proxyware, meter);
    for (const e of builtInList.entries) if (e.role === 'site') for (let i = 0; i < 5; i++) speak(b, e.name, i);
    expect(b.all).toEqual([]);
  });
  it('buyers: the customers’ ports of a name that is else a gateway', () => {
    const e = first('customer');
    const b = new FlowBench(proxyware, meter);
    speak(b, e.name, 1, '10.0.0.1', e.port);
    expect(b.all).toEqual([]);
    speak(b, e.name, 2, '10.0.0.1', 443);
    expect(b.all).toHaveLength(1);
  });
  it('an address check alone, and addresses without a name', () => {
    const b = new FlowBench(proxyware, meter);
    speak(b, first('test').name);
    for (let i = 0; i < 100; i++) speak(b, '', i);
    expect(b.all).toEqual([]);
  });
  it('a city’s resolver that asks for others', () => {
    const b = new FlowBench(proxyware, { dns: { resolvers: ['10.0.0.1'] } });
    ask(b, first('control').name);
    expect(b.all).toEqual([]);
  });
  it('hosts that are not ours', () => {
    const b = new FlowBench(proxyware);
    speak(b, first('control').name, 1, '203.0.113.4');
    expect(b.all).toEqual([]);
  });
});

describe('what it can’t see', () => {
  it('a service that is not on the list, and a flow whose hello is encrypted', () => {
    const b = new FlowBench(proxyware, meter);
    for (let i = 0; i < 50; i++) speak(b, `cp${i}.new-service.example`, i);
    for (let i = 0; i < 50; i++) speak(b, '203-0-113-7.new-service.example', i);
    expect(b.all).toEqual([]);
  });
});

describe('names', () => {
  it('the longest entry wins, by port where one is told', () => {
    const e = (name: string, port?: number): Entry => ({
      name,
      service: 's',
      role: 'control',
      confidence: 'high',
      provenance: 'p',
      ...(port === undefined ? {} : { port }),
    });
    const index = new NameIndex([e('a.example'), e('b.a.example'), e('b.a.example', 7)]);
    const find = (s: string, port = 0): number => index.find(text(s), 0, s.length, port);
    expect([find('a.example'), find('x.a.example'), find('b.a.example'), find('z.b.a.example', 7)]).toEqual([
      0, 0, 1, 2,
    ]);
    expect([find('xa.example'), find('example'), find(''), find('.'), find('a.example..')]).toEqual([
      -1, -1, -1, -1, -1,
    ]);
  });
  it('a dot inside a label is no boundary', () => {
    const e = first('control').name;
    const label = text(`x.${e}`);
    const wire = Uint8Array.from([label.length, ...label, 0]);
    expect(new NameIndex(builtInList.entries).findWire(wire, 0, wire.length, 0)).toBe(-1);
  });
  it('any octets give no throw, and agree with a plain search', () => {
    const index = new NameIndex(builtInList.entries);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        index.find(bytes, 0, bytes.length, 443);
        index.findWire(bytes, 0, bytes.length, 443);
      }),
      { numRuns: 10_000 },
    );
    fc.assert(
      fc.property(fc.constantFrom(...builtInList.entries), fc.stringMatching(/^[a-z0-9.]{0,20}$/), (e, left) => {
        const name = left + e.name;
        const plain = builtInList.entries
          .filter((x) => x.port === undefined && (name === x.name || name.endsWith(`.${x.name}`)))
          .sort((a, b) => b.name.length - a.name.length)[0];
        const found = index.find(text(name), 0, name.length, 0);
        expect(found < 0 ? undefined : builtInList.entries[found]!.name).toBe(plain?.name);
      }),
    );
  });
  it('dashed addresses', () => {
    for (const s of ['203-0-113-7.x.example', 'x.10-0-0-1.example', 'gw-203-0-113-7.example'])
      expect(hasDashedAddress(text(s), 0, s.length), s).toBe(true);
    for (const s of ['203.0.113.7', '1-2-3.example', '300-1-1-1.example', '1-2-3-400', 'a-b-c-d', ''])
      expect(hasDashedAddress(text(s), 0, s.length), s).toBe(false);
  });
});

describe('a signed list', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const key = publicKey.export({ type: 'spki', format: 'pem' }) as string;
  const good = {
    version: 2,
    date: '2027-01-05',
    entries: [{ name: 'cp.sold.example', service: 'sold', role: 'control', confidence: 'high', provenance: 'ours' }],
  };
  const file = (list: unknown, k = privateKey): string => {
    const payload = Buffer.from(typeof list === 'string' ? list : JSON.stringify(list));
    return JSON.stringify({
      payload: payload.toString('base64'),
      signature: sign(null, payload, k).toString('base64'),
    });
  };
  const refused = (f: string, k = key): string => (readSignedList(f, k) as { refused?: string }).refused ?? '';

  it('is read with a key in PEM or as 32 octets', () => {
    expect(readSignedList(file(good), key)).toMatchObject({ list: { date: '2027-01-05' } });
    const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64');
    expect(readSignedList(file(good), raw)).toHaveProperty('list');
  });
  it('is refused in words: signature, date, form, size', () => {
    expect(refused(file(good, generateKeyPairSync('ed25519').privateKey))).toMatch(/signature/);
    expect(refused(file(good).replace('signature":"', 'signature":"AAAA'))).toMatch(/signature/);
    expect(refused(file({ ...good, date: '2020-01-01' }))).toMatch(/older than the built-in/);
    expect(refused(file({ ...good, date: '2027-02-30' }))).toMatch(/date/);
    expect(refused(file({ ...good, version: 1.5 }))).toMatch(/version/);
    expect(refused(file({ ...good, entries: [] }))).toMatch(/entries/);
    for (const bad of [
      { name: 'com' },
      { name: 'co.uk' },
      { name: '10.0.0.1' },
      { name: 'a..example' },
      { role: 'host' },
      { confidence: 'sure' },
      { port: 0 },
      { provenance: '' },
      { service: 7 },
    ])
      expect(refused(file({ ...good, entries: [{ ...good.entries[0], ...bad }] })), JSON.stringify(bad)).toMatch(
        /entry 1/,
      );
    expect(refused(file('[]'))).toMatch(/payload/);
    expect(refused('{}')).toMatch(/payload/);
    expect(refused('no json')).toMatch(/JSON/);
    expect(refused(file(good), 'no key')).toMatch(/key/);
    expect(
      refused(
        file(good),
        generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'pem' }) as string,
      ),
    ).toMatch(/Ed25519/);
    expect(refused('x'.repeat(FILE_BYTES_MAX + 1))).toMatch(/larger/);
    expect(
      (checkList({ ...good, entries: Array(ENTRIES_MAX + 1).fill(good.entries[0]) }) as { refused: string }).refused,
    ).toMatch(/more than/);
  });
  it('a changed file never passes', () => {
    const whole = file(good);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 32, max: 126 }), (at, c) => {
        const changed = whole.slice(0, at) + String.fromCharCode(c) + whole.slice(at + 1);
        const read = readSignedList(changed, key);
        // Base64 has unused bits: another spelling of the same octets is the same list.
        if ('list' in read) expect(read.list).toMatchObject({ date: good.date, entries: good.entries });
      }),
      { numRuns: 300 },
    );
  });
  it('takes the place of the built-in one; refused, the built-in one stays and coverage says why', () => {
    const run = (list: string): { names: string[]; said: Coverage[] } => {
      const said: Coverage[] = [];
      const names: string[] = [];
      const city = new City(meter, '.', { list, key });
      const detector = proxyware.create({
        city,
        evidenceAll: false,
        claim: (f) => names.push(f.tool!),
        cover: (c) => said.push(c),
      });
      const b = new FlowBench(proxyware, meter);
      b.detector = detector;
      speak(b, 'cp.sold.example');
      speak(b, first('control').name, 2, '10.0.0.2');
      return { names, said };
    };
    expect(run(file(good))).toEqual({ names: ['sold'], said: [] });
    const bad = run(file({ ...good, date: '2020-01-01' }));
    expect(bad.names).toEqual([first('control').service]);
    expect(bad.said[0]!.text).toMatch(/not used: it is of 2020-01-01, older/);
  });
  it('the built-in list has the form it asks of others', () => {
    expect(checkList(builtInList as never)).toHaveProperty('list');
    expect(builtInList.entries.length).toBeGreaterThan(55);
  });
});

describe('state', () => {
  it('resumes: cut anywhere, the claims are those of one run', () => {
    const steps = [
      first('site', 'medium').name,
      first('control').name,
      first('update', 'medium').name,
      '203-0-113-7.gw.example',
      '203-0-113-8.gw.example',
      first('gateway').name,
    ];
    const run = (cut: number): unknown => {
      flows = 0;
      const b = new FlowBench(proxyware, meter, true);
      for (const [i, name] of steps.entries()) {
        if (i === cut) b.restart();
        speak(b, name, 10 * i);
      }
      b.detector.end!();
      return b.all;
    };
    const whole = run(-1);
    for (let cut = 0; cut < steps.length; cut++) expect(run(cut), `cut ${cut}`).toEqual(whole);
  });
  it('a state of an unknown version is refused', () => {
    expect(() => new FlowBench(proxyware).detector.restore({ version: 99 })).toThrow(/version/);
  });
  it('forgets: at capacity the least suspected goes, a suspect stays', () => {
    const b = new FlowBench(proxyware, meter);
    speak(b, first('control').name);
    for (let i = 0; i < DEVICES_MAX + 10; i++) speak(b, first('site', 'medium').name, 2, `10.1.${i >> 8}.${i & 255}`);
    expect(b.detector.shed).toBe(11);
    expect((b.detector.snapshot() as { devices: unknown[] }).devices).toHaveLength(DEVICES_MAX);
    speak(b, first('gateway').name, 3);
    expect(b.all).toHaveLength(1);
  });
});

function ask(b: FlowBench, name: string): void {
  const batch = new DnsBatch();
  batch.count = 1;
  batch.origin = { file: 'test.pcap', placed: 'frame' };
  batch.at[0] = 1.7e15;
  batch.place[0] = 1;
  parseAddress('10.0.0.1', batch.addresses, 0);
  parseAddress('10.0.0.53', batch.addresses, 4);
  batch.clientHash[0] = addressHash(batch.addresses, 0);
  batch.nameBytes[0] = textToWire(name, batch.bytes, 0);
  b.detector.observe(batch);
}
