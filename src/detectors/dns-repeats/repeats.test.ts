import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { City } from '#city';
import { addressHash, DnsBatch } from '#events';
import type { Finding } from '#findings';
import { seededRandom } from '#lib/random';
import { hashLowerCased, textToWire } from '#lib/wirename';
import type { Detector } from '../contract.ts';
import { dnsRepeats } from './index.ts';
import { Sequence } from './sequence.ts';

type CityFile = ConstructorParameters<typeof City>[0];
interface Ask {
  name: string;
  /** Seconds. */
  at: number;
  client?: number;
  qtype?: number;
  ttl?: number;
  address?: number;
  down?: number;
  rcode?: number;
}

class Bench {
  readonly claims = new Map<string, Finding>();
  detector: Detector;
  readonly #city: City;
  readonly #batch = new DnsBatch();
  #place = 0;

  constructor(file: CityFile = {}) {
    this.#city = new City(file, '.');
    this.detector = this.#create();
  }
  #create(): Detector {
    return dnsRepeats.create({
      city: this.#city,
      evidenceAll: false,
      claim: (f) => this.claims.set(f.id, f),
      cover: () => {},
    });
  }
  restart(): void {
    const state: unknown = JSON.parse(JSON.stringify(this.detector.snapshot()));
    this.detector = this.#create();
    this.detector.restore(state);
  }
  ask(a: Ask): void {
    this.#row(a, 0);
    this.#row(a, 1);
  }
  #row(a: Ask, isResponse: number): void {
    const b = this.#batch;
    b.count = 1;
    b.origin = { file: 'test.pcap', placed: 'frame' };
    b.at[0] = 1.7e15 + a.at * 1e6 + isResponse * 2e4;
    b.place[0] = ++this.#place;
    b.addresses.set([0, 0, 0xffff, a.client ?? 0x0a000001, 0, 0, 0xffff, 0x0a000035]);
    b.clientHash[0] = addressHash(b.addresses, 0);
    b.serverPort[0] = 53;
    b.isResponse[0] = isResponse;
    b.opcode[0] = 0;
    b.foreign[0] = 0;
    b.rcode[0] = isResponse === 1 ? (a.rcode ?? 0) : -1;
    b.qtype[0] = a.qtype ?? 1;
    b.nameOffset[0] = 0;
    b.nameBytes[0] = textToWire(a.name, b.bytes, 0);
    b.nameHash[0] = hashLowerCased(b.bytes, 0, b.nameBytes[0]!);
    const answered = isResponse === 1 && (a.rcode ?? 0) === 0;
    b.answerCount[0] = answered ? 1 : 0;
    b.answerTtlSeconds[0] = answered ? (a.ttl ?? 60) : -1;
    b.answerDataBytes[0] = answered ? (a.down ?? 0) : 0;
    b.answerAddressCount[0] = answered && (a.qtype ?? 1) === 1 ? 1 : 0;
    b.answerAddressOffset[0] = 0;
    b.answerAddresses.set([0, 0, 0xffff, a.address ?? 0xcb007101]);
    this.detector.observe(b);
    b.bytes.fill(0xa5, 0, 300);
    b.addresses.fill(0xa5a5a5a5, 0, 8);
  }
  get all(): Finding[] {
    return [...this.claims.values()];
  }
}

const DAY = 86_400;

describe('finds', () => {
  it('one bit a look-up by the choice between two names', () => {
    const random = seededRandom(1);
    const b = new Bench();
    for (let i = 0; i < 4000 && b.all.length === 0; i++)
      b.ask({ name: random.uniform() < 0.5 ? 'a.evil.example' : 'b.evil.example', at: 10 * i, ttl: 0 });
    expect(b.all).toMatchObject([
      { severity: 'medium', family: 'dns-exfiltration', subject: { value: 'evil.example' } },
    ]);
    expect(b.all[0]!.leakedBytesAtAlert).toBeLessThanOrEqual(400);
  });

  it('one bit a look-up by the gap before it', () => {
    const random = seededRandom(2);
    const b = new Bench();
    let at = 0;
    for (let i = 0; i < 6000 && b.all.length === 0; i++) {
      at += random.uniform() < 0.5 ? 2 : 8;
      b.ask({ name: 'tick.evil.example', at, ttl: 1 });
    }
    expect(b.all).toMatchObject([{ severity: 'medium', subject: { value: 'tick.evil.example' } }]);
    expect(b.all[0]!.leakedBytesAtAlert).toBeLessThanOrEqual(400);
  });

  it('an idle command channel: a name polled by the minute that answers 0.0.0.0', () => {
    const b = new Bench();
    for (let i = 0; i < 180; i++) b.ask({ name: 'c.evil.example', at: 60 * i, ttl: 1, address: 0 });
    expect(b.all).toMatchObject([{ family: 'dns-command', severity: 'medium' }]);
  });

  it('orders fetched as text under one name', () => {
    const random = seededRandom(3);
    const b = new Bench();
    for (let i = 0; i < 400; i++)
      b.ask({ name: 'x.evil.example', qtype: 16, at: 30 * i, ttl: 1, down: 40 + Math.floor(100 * random.uniform()) });
    expect(b.all).toMatchObject([{ family: 'dns-command' }]);
  });
});

describe('silent despite', () => {
  const silent = (title: string, life: (b: Bench) => void, file?: CityFile): void => {
    it(title, () => {
      const b = new Bench(file);
      life(b);
      expect(b.all.map((f) => [f.subject.value, f.bits, f.reasons[0]])).toEqual([]);
    });
  };
  silent('a name asked at random a thousand times while its answer lives', (b) => {
    const random = seededRandom(4);
    for (let i = 0, at = 0; i < 3000; i++)
      b.ask({ name: 'www.shop.example', at: (at += 60 * random.uniform()), ttl: 3600 });
  });
  silent(
    'a meter that polls its head-end by the minute for a week',
    (b) => {
      for (let i = 0; i < 7 * 1440; i++) b.ask({ name: 'headend.utility.example', at: 60 * i, ttl: 30 });
    },
    { assets: [{ id: 'm', role: 'smart-meter', ip: '10.0.0.1' }] },
  );
  silent('polls with a jitter of a fifth', (b) => {
    const random = seededRandom(5);
    for (let i = 0; i < 7 * 1440; i++)
      b.ask({ name: 'time.vendor.example', at: 60 * i + 12 * random.uniform(), ttl: 20 });
  });
  silent('update checks by text record every half hour (virus signatures)', (b) => {
    for (let i = 0; i < 7 * 48; i++)
      b.ask({ name: 'current.signatures.example', qtype: 16, at: 1800 * i, ttl: 1800, down: 60 });
  });
  silent('devices behind a resolver that answers 0.0.0.0 for what it filters', (b) => {
    for (let i = 0; i < 1440; i++)
      for (let k = 0; k < 8; k++) b.ask({ name: `ads.site${k}.example`, at: 60 * i + k, ttl: 2, address: 0 });
  });
  silent('a browser that comes back to a site at human times', (b) => {
    const random = seededRandom(6);
    for (let day = 0; day < 14; day++)
      for (let i = 0; i < 120; i++)
        b.ask({
          name: `${['www', 'img', 'api'][i % 3]}.news.example`,
          at: day * DAY + 9 * 3600 + i * 200 + 190 * random.uniform(),
          ttl: 60,
        });
  });
  silent('names that do not exist asked by the search list', (b) => {
    for (let i = 0; i < 2000; i++) b.ask({ name: 'wpad.corp.example', at: 30 * i, rcode: 3 });
  });
});

describe('the code', () => {
  it('of random choices between two names is a bit each, of alternation next to nothing', () => {
    const random = seededRandom(7);
    const make = (): Sequence =>
      new Sequence([0, 0, 0xffff, 1], 1, 2, '', 0, { origin: { file: 'f', placed: 'frame' }, place: 1 });
    const chosen = make();
    const alternating = make();
    for (let i = 1; i <= 2000; i++) {
      chosen.add(random.uniform() < 0.5 ? 1 : 2, 1e6 * i, () => '');
      alternating.add(i % 2, 1e6 * i, () => '');
    }
    expect(chosen.orderBits / 2000).toBeGreaterThan(0.9);
    expect(chosen.orderBits / 2000).toBeLessThan(1.1);
    expect(alternating.orderBits / 2000).toBeLessThan(0.05);
  });
});

describe('state', () => {
  it('goes on from a snapshot as if nothing had been', () => {
    const feed = (b: Bench, from: number, to: number): void => {
      const random = seededRandom(8);
      for (let i = 0; i < to; i++) {
        const name = random.uniform() < 0.5 ? 'a.evil.example' : 'b.evil.example';
        if (i >= from) b.ask({ name, at: 10 * i, ttl: 0 });
      }
    };
    const whole = new Bench();
    feed(whole, 0, 3000);
    const parts = new Bench();
    feed(parts, 0, 1000);
    const state: unknown = JSON.parse(JSON.stringify(parts.detector.snapshot()));
    const later = new Bench();
    later.detector.restore(state);
    feed(later, 1000, 3000);
    const strip = (f: Finding): unknown => ({ ...f, evidence: [], id: '' });
    expect(later.all.map(strip)).toEqual(whole.all.map(strip));
    expect(() => later.detector.restore({ version: 99 })).toThrow();
  });

  it('stays within its bounds under a flood of clients and domains', () => {
    const b = new Bench();
    for (let i = 0; i < 40_000; i++)
      for (let k = 0; k < 3; k++)
        b.ask({ name: `n.z${i % 5000}.example`, client: 0x0a000000 + (i % 977), at: i + 600 * k, ttl: 0 });
    const state = b.detector.snapshot() as { sequences: unknown[] };
    expect(state.sequences.length).toBeLessThanOrEqual(1024);
    expect(JSON.stringify(state).length).toBeLessThan(16 << 20);
  });

  it('takes any row', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            n: fc.nat(3),
            at: fc.nat(100_000),
            ttl: fc.integer({ min: -1, max: 1 << 30 }),
            down: fc.nat(5000),
            rcode: fc.nat(15),
          }),
          { maxLength: 60 },
        ),
        (rows) => {
          const b = new Bench();
          for (const r of rows)
            b.ask({ name: ['.', 'a', 'a.b', 'c.d.example'][r.n]!, at: r.at, ttl: r.ttl, down: r.down, rcode: r.rcode });
          for (const f of b.all) expect(Number.isFinite(f.bits)).toBe(true);
        },
      ),
      { numRuns: 200 },
    );
  });
});
