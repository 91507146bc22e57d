import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DnsMessageBatch } from '#events';
import { hashLowerCased, textToWire } from '#lib/wirename';
import { dns } from './index.ts';
import { Collector, chunk, dotted, framed, message, packets, question, record, u16, wire } from './testing.ts';

function decode(payloads: Uint8Array[], ports?: { from: number; to: number }): Collector {
  const sink = new Collector();
  dns.create().decode(packets(payloads, ports), sink);
  return sink;
}
const query = (name = 'www.city.example', qtype = 1): Uint8Array =>
  message({ questions: [question(dotted(name), qtype)] });
const pointer = (to: number): number[] => u16(0xc000 | to);

describe('messages', () => {
  it('a query is one row, the client being who asks', () => {
    const { rows, faults } = decode([query('WWW.City.example', 28)]);
    expect(faults).toEqual([]);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({
      name: 'WWW.City.example',
      qtype: 28,
      isResponse: 0,
      rcode: -1,
      client: 0x0a000001,
      clientPort: 40000,
      serverPort: 53,
      labels: 3,
    });
  });

  it('the hash is that of the lower-cased name, whatever the case and the road', () => {
    const scratch = new Uint8Array(256);
    const hash = hashLowerCased(scratch, 0, textToWire('www.city.example', scratch, 0));
    const { rows } = decode([query('WWW.City.example'), query('www.city.example')]);
    expect(rows.map((r) => r.hash)).toEqual([hash, hash]);
  });

  it('a response turns the sides round and reads rcode, answers and their data', () => {
    const m = message({
      flags: 0x8180,
      questions: [question(dotted('x.t.example'), 16)],
      answers: [record(pointer(12), 16, [3, 1, 2, 3, 2, 9, 9])],
    });
    const { rows } = decode([m], { from: 53, to: 40000 });
    expect(rows[0]).toMatchObject({
      isResponse: 1,
      rcode: 0,
      answers: 1,
      dataBytes: 5,
      answerType: 16,
      client: 0x0a000035,
      clientPort: 40000,
      serverPort: 53,
    });
  });

  it('a followed CNAME counts as data and is not the answer type', () => {
    const m = message({
      flags: 0x8180,
      questions: [question(dotted('a.example'))],
      answers: [record(pointer(12), 5, dotted('b.example')), record(dotted('b.example'), 1, [1, 2, 3, 4])],
    });
    expect(decode([m], { from: 53, to: 4000 }).rows[0]).toMatchObject({ answerType: 1, dataBytes: 11, answers: 2 });
  });

  it('a name of 253 characters in 127 labels is kept (fault zeek-5701)', () => {
    const labels = Array.from({ length: 127 }, () => 'a');
    const { rows, faults } = decode([message({ questions: [question(wire(labels))] })]);
    expect(faults).toEqual([]);
    expect(rows[0]!.name).toHaveLength(253);
    expect(rows[0]!.labels).toBe(127);
  });

  it('a name of 256 octets is refused', () => {
    const labels = [...Array.from({ length: 3 }, () => 'b'.repeat(63)), 'c'.repeat(62)];
    expect(decode([message({ questions: [question(wire(labels))] })]).faults).toEqual(['DNS_NAME_LONG']);
  });

  it('each of several questions is a row, data counted once (fault zeek-5037)', () => {
    const m = message({
      flags: 0x8180,
      questions: [question(dotted('a.example'), 16), question(dotted('b.example'), 16)],
      answers: [record(pointer(12), 16, [4, 1, 1, 1, 1])],
    });
    const { rows } = decode([m], { from: 53, to: 4000 });
    expect(rows.map((r) => [r.name, r.dataBytes])).toEqual([
      ['a.example', 4],
      ['b.example', 0],
    ]);
  });

  it('65,535 claimed questions cost at most 64 rows', () => {
    const one = question(dotted('a'));
    const m = message({ questions: Array.from({ length: 200 }, () => one), counts: [65535, 0, 0, 0] });
    const few = decode([m]);
    expect(few.rows.length).toBeLessThanOrEqual(64);
    const many = decode([message({ questions: Array.from({ length: 200 }, () => one) })]);
    expect(many.rows).toHaveLength(64);
    expect(many.faults).toEqual(['DNS_QUESTIONS']);
  });

  it('the extended rcode is (ext << 4) | rcode (fault zeek-4656)', () => {
    const m = message({
      flags: 0x8180,
      questions: [question(dotted('a.example'))],
      additional: [record([0], 41, [], 0, 0x01000000)],
    });
    expect(decode([m], { from: 53, to: 4000 }).rows[0]!.rcode).toBe(16);
  });

  it('an empty answer has its rcode and no answers (fault zeek-1085)', () => {
    const soa = record(dotted('example'), 6, [...dotted('a'), ...dotted('b'), ...Array.from({ length: 20 }, () => 0)]);
    const m = message({ flags: 0x8183, questions: [question(dotted('a.example'))], authority: [soa] });
    expect(decode([m], { from: 53, to: 4000 }).rows[0]).toMatchObject({ rcode: 3, answers: 0, answerType: 0 });
  });

  it('unknown types are kept with their data; HTTPS too (fault zeek-5467)', () => {
    const m = (type: number): Uint8Array =>
      message({
        flags: 0x8180,
        questions: [question(dotted('a.example'), type)],
        answers: [record(pointer(12), type, [1, 2, 3])],
      });
    const { rows } = decode([m(65), m(65399)], { from: 53, to: 4000 });
    expect(rows.map((r) => [r.answerType, r.dataBytes])).toEqual([
      [65, 0],
      [65399, 3],
    ]);
  });

  it('pointer loops end, directly, through a label, and to themselves (faults libtins-443, dns-87, impacket-471, mdns-sd-257)', () => {
    const self = message({ questions: [question(pointer(12))] });
    const pair = message({ questions: [question([...pointer(14), ...pointer(12)])] });
    const label = message({ questions: [question([1, 97, ...pointer(12)])] });
    for (const m of [self, pair, label]) expect(decode([m]).faults).toEqual(['DNS_POINTER']);
  });

  it('a pointer to a pointer is followed (fault ocaml-dns-127), whatever its upper six bits (fault odin-4813)', () => {
    const pad = Array.from({ length: 300 }, () => 0);
    const head = question(dotted('real.example'), 16);
    const filler = record([0], 16, pad);
    const far = 12 + head.length + 11 + pad.length;
    const m = message({
      flags: 0x8180,
      questions: [head],
      answers: [filler, record(pointer(12), 5, pointer(12)), record(pointer(far), 5, pointer(far))],
    });
    const { rows, faults } = decode([m], { from: 53, to: 4000 });
    expect(faults).toEqual([]);
    expect(rows[0]).toMatchObject({ answers: 3, dataBytes: 14 + 14 });
  });

  it('reserved label types are refused and counted', () => {
    expect(decode([message({ questions: [question([0x41, 1, 0])] })]).faults).toEqual(['DNS_LABEL_TYPE']);
    expect(decode([message({ questions: [question([0x81, 1, 0])] })]).faults).toEqual(['DNS_LABEL_TYPE']);
  });

  it('odd and short buffers are faults, not exceptions (faults dns-packet-60, serverless-dns-25, node-dns-102)', () => {
    const whole = query();
    for (let n = 0; n < whole.length; n++) {
      const { rows, faults } = decode([whole.slice(0, n)]);
      expect(rows.filter((r) => r.foreign === 0)).toEqual([]);
      expect(faults.length).toBe(n === 0 ? 0 : 1);
    }
  });

  it('a TXT string past its record is refused, the message kept (fault vert.x-6096)', () => {
    const m = message({
      flags: 0x8180,
      questions: [question(dotted('a.example'), 16)],
      answers: [record(pointer(12), 16, [200, 1, 2]), record(pointer(12), 16, [2, 1, 2])],
    });
    const { rows, faults } = decode([m], { from: 53, to: 4000 });
    expect(faults).toEqual(['DNS_TXT_LENGTH']);
    expect(rows[0]).toMatchObject({ answers: 2, dataBytes: 2 });
  });

  it('octets of TXT behind a NUL count (fault node-30688); raw octets and dots in labels are kept', () => {
    const m = message({
      flags: 0x8180,
      questions: [question(wire([[0xbc, 0, 0x2e], 'example']), 16)],
      answers: [record(pointer(12), 16, [4, 0, 1, 0, 2])],
    });
    const { rows } = decode([m], { from: 53, to: 4000 });
    expect(rows[0]).toMatchObject({ name: '\\188\\000\\..example', dataBytes: 4, labels: 2 });
  });

  it('a broken additional section leaves question and answers (fault suricata-11746)', () => {
    const m = message({
      flags: 0x8180,
      questions: [question(dotted('a.example'), 16)],
      answers: [record(pointer(12), 16, [2, 1, 2])],
      additional: [record([0], 41, [0, 1], 4000)],
    });
    const { rows, faults } = decode([m], { from: 53, to: 4000 });
    expect(rows[0]).toMatchObject({ name: 'a.example', answers: 1, dataBytes: 2 });
    expect(faults).toEqual(['DNS_RECORD_CUT']);
  });

  it('two OPT records are a fault, the first counts', () => {
    const m = message({
      flags: 0x8180,
      questions: [question(dotted('a'))],
      additional: [record([0], 41, [], 0, 0x01000000), record([0], 41, [], 0, 0x02000000)],
    });
    const { rows, faults } = decode([m], { from: 53, to: 4000 });
    expect(rows[0]!.rcode).toBe(16);
    expect(faults).toEqual(['DNS_OPT_TWICE']);
  });

  it('an answer without a question is a row with an empty name', () => {
    const m = message({ flags: 0x8180, answers: [record(dotted('a.example'), 1, [1, 2, 3, 4])] });
    expect(decode([m], { from: 53, to: 4000 }).rows[0]).toMatchObject({ name: '.', answers: 1, labels: 0 });
  });
});

describe('what answers bring', () => {
  const a = (ttl: number, rdata: number[], type = 1): number[] => record(u16(0xc00c), type, rdata, rdata.length, ttl);

  it('addresses, the lowest TTL, header flags, DO and the message itself', () => {
    const payload = message({
      flags: 0x81a0,
      questions: [question(dotted('www.city.example'), 1)],
      answers: [
        a(300, [192, 0, 2, 1]),
        a(60, [10, 1, 2, 3]),
        a(90, [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9], 28),
      ],
      additional: [[0, ...u16(41), ...u16(1232), 0, 0, 0x80, 0, ...u16(0)]],
    });
    const { rows, faults } = decode([payload, payload], { from: 53, to: 40000 });
    expect(faults).toEqual([]);
    for (const row of rows)
      expect(row).toMatchObject({
        flags: 0x81a0,
        dnssecOk: 1,
        ttlSeconds: 60,
        addresses: ['192.0.2.1', '10.1.2.3', '2001:db8::9'],
        message: [...payload],
      });
  });

  it('an address of the wrong length is no address, and at most eight are kept', () => {
    const { rows } = decode(
      [
        message({
          flags: 0x8180,
          questions: [question(dotted('a.example'), 1)],
          answers: [a(1, [1, 2, 3]), ...Array.from({ length: 12 }, (_, i) => a(5, [192, 0, 2, i]))],
        }),
      ],
      { from: 53, to: 40000 },
    );
    expect(rows[0]!.addresses).toHaveLength(8);
    expect(rows[0]!.addresses[0]).toBe('192.0.2.0');
  });

  it('a TTL with its top bit set counts as zero (RFC 2181 8)', () => {
    const { rows } = decode(
      [
        message({
          flags: 0x8180,
          questions: [question(dotted('a.example'), 1)],
          answers: [a(0x80000001, [192, 0, 2, 1])],
        }),
      ],
      { from: 53, to: 40000 },
    );
    expect(rows[0]!.ttlSeconds).toBe(0);
  });

  it('messages of one TCP stream over several chunks are each whole in the row', () => {
    const messages = ['a.example', 'b.example', 'c.example'].map((n) => query(n));
    const bytes = Uint8Array.from(messages.flatMap((m) => [...framed(m)]));
    for (let cut = 1; cut < bytes.length; cut++) {
      const sink = new Collector();
      const decoder = dns.create();
      decoder.decode(chunk([...bytes.subarray(0, cut)]), sink);
      decoder.decode(chunk([...bytes.subarray(cut)]), sink);
      expect(sink.rows.map((r) => r.message)).toEqual(messages.map((m) => [...m]));
    }
  });

  it('messages that dnstap hands over are read as those of packets', () => {
    const payload = query('tap.city.example', 28);
    const batch = new DnsMessageBatch();
    batch.bytes = Uint8Array.from([0xff, ...payload]);
    batch.count = 1;
    batch.offset[0] = 1;
    batch.length[0] = payload.length;
    batch.clientPort[0] = 5353;
    batch.serverPort[0] = 53;
    batch.transport[0] = 6;
    batch.addresses.set([0, 0, 0xffff, 0x0a000001, 0, 0, 0xffff, 0x0a000002]);
    const sink = new Collector();
    dns.create().decode(batch, sink);
    expect(sink.rows).toMatchObject([
      {
        name: 'tap.city.example',
        qtype: 28,
        client: 0x0a000001,
        clientPort: 5353,
        transport: 6,
        message: [...payload],
      },
    ]);
  });
});

describe('recognition', () => {
  it('what is not DNS on port 53 is one fault, no malformed DNS (fault nDPI-2558)', () => {
    const { rows, faults } = decode([Uint8Array.from(Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'))]);
    expect(rows).toMatchObject([{ name: '.', foreign: 1, message: [], client: 0x0a000001, serverPort: 53 }]);
    expect(faults).toEqual(['DNS_NOT_DNS']);
  });

  it('iodine raw mode is named', () => {
    expect(decode([Uint8Array.from([0x10, 0xd1, 0x9e, 0x20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])]).faults).toEqual([
      'DNS_IODINE_RAW',
    ]);
  });

  it('DNS on another port is found by content, random octets are not', () => {
    expect(decode([query()], { from: 40000, to: 5533 }).rows).toHaveLength(1);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 17, maxLength: 80 }), (bytes) => {
        bytes[2] = 0x80 | bytes[2]!;
        bytes[4] = 9;
        expect(decode([bytes], { from: 40000, to: 5533 }).rows).toEqual([]);
      }),
      { numRuns: 200, seed: 4 },
    );
  });

  it('NetBIOS names are not read as DNS', () => {
    const nbns = message({ flags: 0x0110, questions: [question(wire(['CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA']), 0x20)] });
    expect(decode([nbns], { from: 137, to: 137 })).toMatchObject({ rows: [], faults: [] });
  });

  it('mDNS and LLMNR are decoded and known by the server port', () => {
    expect(decode([query('a.local')], { from: 5353, to: 5353 }).rows[0]!.serverPort).toBe(5353);
    expect(decode([query('host')], { from: 50000, to: 5355 }).rows[0]!.serverPort).toBe(5355);
  });
});

describe('TCP', () => {
  const run = (...chunks: Parameters<typeof chunk>[]): Collector => {
    const sink = new Collector();
    const decoder = dns.create();
    for (const c of chunks) decoder.decode(chunk(...c), sink);
    decoder.end(sink);
    return sink;
  };
  const three = ['a.example', 'b.example', 'c.example'].map((n) => framed(query(n)));
  const names = (c: Collector): string[] => c.rows.map((r) => r.name);

  it('several messages in a chunk, and one cut at any octet, are the same messages', () => {
    const all = three.flat();
    expect(names(run([all]))).toEqual(['a.example', 'b.example', 'c.example']);
    for (let cut = 1; cut < all.length; cut++) {
      const got = run([all.slice(0, cut)], [all.slice(cut)]);
      expect(names(got), `cut at ${cut}`).toEqual(['a.example', 'b.example', 'c.example']);
    }
  });

  it('a start in mid-stream finds the next message (fault dnscap-88)', () => {
    const got = run([[...three[0]!.slice(9), ...three[1]!, ...three[2]!]]);
    expect(names(got)).toEqual(['b.example', 'c.example']);
    expect(got.faults).toEqual(['DNS_STREAM_LOST']);
  });

  it('after a gap the message under way is given up and the next is found', () => {
    const got = run([[...three[0]!, ...three[1]!.slice(0, 10)]], [three[2]!, { gapBytes: 20 }]);
    expect(names(got)).toEqual(['a.example', 'c.example']);
  });

  it('other TCP traffic is left alone', () => {
    const got = run([[...Buffer.from('GET /index.html HTTP/1.1\r\nHost: city.example\r\n\r\n')], { serverPort: 80 }]);
    expect(got).toMatchObject({ rows: [], faults: [] });
  });

  it('ten thousand unfinished connections are bounded, and what is dropped is counted', () => {
    const decoder = dns.create();
    const sink = new Collector();
    for (let n = 1; n <= 10_000; n++) decoder.decode(chunk(three[0]!.slice(0, 24), { connection: n }), sink);
    expect(decoder.shed).toBeGreaterThan(8000);
  });
});

describe('totality', () => {
  it('any bytes: no throw, at most 64 rows a message, names within 255 octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, response) => {
        const { rows } = decode([bytes], response ? { from: 53, to: 4000 } : undefined);
        expect(rows.length).toBeLessThanOrEqual(64);
        for (const r of rows) expect(r.nameBytes).toBeLessThanOrEqual(255);
      }),
      { numRuns: 2000, seed: 1 },
    );
  });

  it('names survive the round trip', () => {
    const label = fc.uint8Array({ minLength: 1, maxLength: 20 }).map((l) => [...l]);
    fc.assert(
      fc.property(fc.array(label, { minLength: 1, maxLength: 10 }), fc.nat(65535), (labels, qtype) => {
        const bytes = wire(labels);
        const { rows, faults } = decode([message({ questions: [question(bytes, qtype)] })]);
        expect(faults).toEqual([]);
        expect(rows[0]).toMatchObject({ qtype, nameBytes: bytes.length, labels: labels.length });
        const again = new Uint8Array(300);
        const length = textToWire(rows[0]!.name, again, 0);
        expect([...again.subarray(0, length)]).toEqual(bytes);
      }),
      { numRuns: 500, seed: 2 },
    );
  });

  it('a hundred thousand mutations of sound messages neither throw nor hang', () => {
    const seeds = [
      query(),
      message({
        flags: 0x8180,
        questions: [question(dotted('x.t.example'), 16)],
        answers: [record(pointer(12), 16, [3, 1, 2, 3]), record(pointer(14), 5, pointer(12))],
        additional: [record([0], 41, [0, 10, 0, 2, 1, 1])],
      }),
      message({
        questions: [question(dotted('a.b')), question(pointer(12), 33), question([3, 97, 98, 99, ...pointer(14)])],
      }),
    ];
    const decoder = dns.create();
    const sink = new Collector();
    let state = 12345;
    const random = (n: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % n;
    };
    let rows = 0;
    for (let round = 0; round < 1000; round++) {
      const payloads = Array.from({ length: 100 }, () => {
        const bytes = Uint8Array.from(seeds[random(3)]!);
        for (let k = random(6); k >= 0; k--) bytes[random(bytes.length)] = random(4) === 0 ? 0xc0 : random(256);
        return random(5) === 0 ? bytes.slice(0, random(bytes.length + 1)) : bytes;
      });
      decoder.decode(packets(payloads), sink);
      rows += sink.rows.length;
      sink.rows.length = 0;
      sink.faults.length = 0;
      const stream = payloads.flatMap((p) => framed(p));
      decoder.decode(
        chunk(stream.slice(random(20)), { connection: 1 + random(50), gapBytes: random(9) === 0 ? 5 : 0 }),
        sink,
      );
      sink.rows.length = 0;
    }
    expect(rows).toBeGreaterThan(10_000);
  });
});
