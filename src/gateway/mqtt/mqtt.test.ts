import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encode,
  Id,
  type Malformed,
  noProperties,
  type Packet,
  PacketStream,
  type Properties,
  Reason,
  type Version,
} from './index.ts';

function readAll(bytes: Buffer, version: Version, cut = bytes.length): (Packet | Malformed)[] {
  const stream = new PacketStream('client', 262_144);
  stream.version = version;
  const out: (Packet | Malformed)[] = [];
  // A CONNECT goes first, as on the wire.
  stream.push(encode({ ...hello, version }, version));
  stream.next();
  for (let at = 0; at < bytes.length; at += cut) {
    stream.push(bytes.subarray(at, at + cut));
    for (let p = stream.next(); p !== undefined; p = stream.next()) {
      out.push(p);
      if (p.type === 'malformed') return out;
    }
  }
  return out;
}
const hello = {
  type: 'connect',
  version: 4,
  cleanStart: true,
  keepAlive: 60,
  clientId: 'd',
  will: undefined,
  username: undefined,
  password: undefined,
  properties: noProperties,
} as const;

const word = fc.stringMatching(/^[a-zA-Z0-9é€😀._-]{1,20}$/u);
const topic = fc.array(word, { minLength: 1, maxLength: 5 }).map((w) => w.join('/'));
const bytes = fc.uint8Array({ maxLength: 200 }).map((b) => Buffer.from(b));
const qos = fc.constantFrom(0, 1, 2);
const id = fc.integer({ min: 1, max: 65_535 });
const userProperties: fc.Arbitrary<Properties> = fc.array(
  fc.tuple(word, word).map((value) => ({ id: Id.UserProperty, value })),
  { maxLength: 4 },
);
const publishProperties = fc
  .tuple(
    userProperties,
    fc.option(topic, { nil: undefined }),
    fc.option(fc.integer({ min: 0, max: 0xffffffff }), { nil: undefined }),
    fc.option(bytes, { nil: undefined }),
  )
  .map(([u, response, expiry, correlation]) => [
    ...u,
    ...(response === undefined ? [] : [{ id: Id.ResponseTopic, value: response }]),
    ...(expiry === undefined ? [] : [{ id: Id.MessageExpiry, value: expiry }]),
    ...(correlation === undefined ? [] : [{ id: Id.CorrelationData, value: correlation }]),
  ]);
const packet: fc.Arbitrary<Packet> = fc.oneof(
  fc
    .tuple(topic, bytes, qos, fc.boolean(), fc.boolean(), id, publishProperties)
    .map(([t, payload, q, retain, dup, i, properties]) => ({
      type: 'publish' as const,
      topic: t,
      payload,
      qos: q as 0 | 1 | 2,
      retain,
      dup: dup && q > 0,
      id: q > 0 ? i : 0,
      properties,
    })),
  fc
    .tuple(id, fc.constantFrom('puback' as const, 'pubrec' as const), fc.constantFrom(0, 0x10, 0x87))
    .map(([i, type, reason]) => ({
      type,
      id: i,
      reason,
      properties: noProperties,
    })),
  fc
    .tuple(id, fc.array(fc.tuple(topic, qos, fc.boolean()), { minLength: 1, maxLength: 5 }), userProperties)
    .map(([i, f, properties]) => ({
      type: 'subscribe' as const,
      id: i,
      properties,
      filters: f.map(([filter, q, noLocal]) => ({
        filter,
        qos: q as 0 | 1 | 2,
        noLocal,
        retainAsPublished: false,
        retainHandling: 0 as const,
      })),
    })),
  fc.tuple(id, fc.array(topic, { minLength: 1, maxLength: 5 })).map(([i, filters]) => ({
    type: 'unsubscribe' as const,
    id: i,
    properties: noProperties,
    filters,
  })),
);

describe('the MQTT codec', () => {
  it('reads back what it wrote, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(packet, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 40 }), (packets, cut) => {
        const whole = Buffer.concat(packets.map((p) => encode(p, 5)));
        expect(JSON.stringify(readAll(whole, 5, cut))).toBe(JSON.stringify(packets));
      }),
      { numRuns: 500, seed: 7 },
    );
  });

  it('never throws, hangs or reads past the end on 100,000 mutations, and writes again what it accepts', () => {
    const seeds = fc.sample(packet, { numRuns: 50, seed: 11 });
    let state = 0x2545f491;
    const random = (n: number): number => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state >>> 0) % n;
    };
    let accepted = 0;
    for (let i = 0; i < 100_000; i++) {
      const version: Version = i % 2 === 0 ? 5 : 4;
      const wire = Buffer.from(encode(seeds[random(seeds.length)]!, version));
      for (let k = random(4); k >= 0; k--) wire[random(wire.length)] = random(256);
      const cut = random(8) === 0 ? random(wire.length) + 1 : wire.length;
      for (const p of readAll(wire.subarray(0, cut), version)) {
        if (p.type === 'malformed') continue;
        accepted++;
        const again = readAll(encode(p, version), version);
        expect(JSON.stringify(again)).toBe(JSON.stringify([p]));
      }
    }
    expect(accepted).toBeGreaterThan(1000);
  }, 20_000);

  it('judges a length before it holds a byte for it', () => {
    const stream = new PacketStream('client', 16_384);
    stream.push(Buffer.from('10ffffff7f', 'hex'));
    expect(stream.next()).toMatchObject({ type: 'malformed', reason: Reason.PacketTooLarge });
    expect(stream.held).toBe(0);
    const first = new PacketStream('client', 16_384);
    first.push(Buffer.from('30', 'hex'));
    expect(first.next()).toMatchObject({ type: 'malformed', reason: Reason.ProtocolError });
  });

  it.each([
    ['a length of five octets', '30ffffffff01', 5],
    ['a padded length', '3091000001611400', 5],
    ['an overlong slash', '30050003c0af78', 4],
    ['a surrogate', '30060004eda08078', 4],
    ['U+0000', '300600046100617a', 4],
    ['a wildcard in a topic name', '30050003612f2b', 4],
    ['QoS 3', '36050001610001', 4],
    ['packet id 0', '3205000161000078', 4],
    ['an empty topic without an alias', '3003000000', 5],
    ['topic alias 0', '300700016103230000', 5],
    ['a property twice', '300e0001610a02000000010200000001', 5],
    ['a property of another packet', '30080001610502000000', 5],
    ['properties longer than the packet', '3004000161ff', 5],
    ['SUBSCRIBE without its flags', '8006000100016100', 4],
    ['reserved subscription options', '82060001000161fc', 4],
    ['octets after the packet', 'c00100', 4],
    ["a server's packet", '20020000', 4],
  ] as const)('refuses %s', (_, hex, version) => {
    expect(readAll(Buffer.from(hex, 'hex'), version).at(-1)?.type).toBe('malformed');
  });
});

// --- Mosquitto's packet vectors -----------------------------------------------------------------------------------

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'platform/mqtt/vectors-broker');
const there = existsSync(corpus);
if (!there) console.log(`skipped: no vectors at ${corpus}`);

interface VectorGroup {
  readonly group: string;
  readonly ver?: number;
  readonly connect?: boolean;
  readonly tests: readonly {
    readonly name: string;
    readonly ver?: number;
    readonly connect?: boolean;
    readonly expect_disconnect?: boolean;
    readonly msgs: readonly { readonly type: string; readonly payload: string }[];
  }[];
}

/** The corpus' hex language; undefined where a step uses a word that is not described. */
function bytesOf(payload: string): Buffer | undefined {
  const parts: Buffer[] = [];
  for (const token of payload.match(/'[^']*'|\S+/g) ?? []) {
    const number = Number(token.slice(1));
    if (token.startsWith("'")) parts.push(Buffer.from(token.slice(1, -1)));
    else if (/^[smk][0-9]+$/.test(token)) parts.push(Buffer.from([number >> 8, number & 255]));
    else if (/^r[0-9]+$/.test(token)) {
      const out: number[] = [];
      let rest = number;
      do {
        out.push(rest > 127 ? (rest % 128) | 128 : rest);
        rest = Math.floor(rest / 128);
      } while (rest > 0);
      parts.push(Buffer.from(out));
    } else if (/^([0-9A-Fa-f]{2})+$/.test(token)) parts.push(Buffer.from(token, 'hex'));
    else return undefined;
  }
  return Buffer.concat(parts);
}

describe.skipIf(!there)("Mosquitto's vectors", () => {
  it('are refused where Mosquitto refuses them by form, and read where it reads them', () => {
    let agree = 0;
    const differ: string[] = [];
    for (const file of readdirSync(corpus).filter((f) =>
      /^(CONNECT|PUBLISH|PUB|SUBSCRIBE|UNSUBSCRIBE|PING|DISCONNECT)/.test(f),
    )) {
      for (const group of JSON.parse(readFileSync(join(corpus, file), 'utf8')) as VectorGroup[]) {
        for (const test of group.tests) {
          const version = test.ver ?? group.ver;
          if (version !== 4 && version !== 5) continue;
          const stream = new PacketStream('client', 262_144);
          if ((test.connect ?? group.connect) !== false) {
            stream.push(encode({ ...hello, version }, version));
            stream.next();
          }
          let closed = false;
          let known = true;
          for (const step of test.msgs.filter((m) => m.type === 'send')) {
            const bytes = bytesOf(step.payload);
            if (bytes === undefined) known = false;
            else stream.push(bytes);
            for (let p = stream.next(); p !== undefined && !closed; p = stream.next())
              closed = p.type === 'malformed' || p.type === 'disconnect';
          }
          if (!known) continue;
          if (closed === (test.expect_disconnect ?? true)) agree++;
          else differ.push(`${closed ? 'refused' : 'read   '} ${file} ${group.group}: ${test.name}`);
        }
      }
    }
    console.log(`Mosquitto vectors: ${agree} agree, ${differ.length} differ`);
    if (process.env.SHOW_DIFFERENCES) console.log(differ.join('\n'));
    expect(agree / (agree + differ.length)).toBeGreaterThan(0.98);
  });
});
