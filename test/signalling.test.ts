// The signalling chain from frames to records: what is decoded, paired and refused, what peers once got wrong, agreement with
// tshark's stored output, and mutations without end.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as w from './signalling-wire.ts';

const corpus = join(process.env.PARAPET_CORPUS ?? join(import.meta.dirname, '../../shared/corpus'), 'signalling');
const hlr = w.party('918790000126', 6);
const asker = w.party('35699410525', 147);
const ati = w.tlv(
  0x30,
  w.tlv(0xa0, w.tlv(0x81, w.isdn('918790000126'))),
  w.tlv(0xa1, [0x80, 0, 0x81, 0]),
  w.tlv(0x83, w.isdn('35699410525')),
);
const atiBegin = w.begin([0, 0, 8, 14], w.context(29, 3), w.invoke(1, 71, ati));
const atiAnswer = w.result(
  1,
  71,
  w.tlv(0x30, w.tlv(0x30, w.tlv(0xa0, [2, 1, 2], w.tlv(0x81, w.isdn('919028055000'))))),
);
const SCCP = 142;

function sccp(...messages: Uint8Array[]): w.Chain {
  const chain = new w.Chain();
  for (const [i, m] of messages.entries()) chain.frame(m, 1e9 + i * 1e6, SCCP);
  chain.end();
  return chain;
}

describe('MAP over SCCP', () => {
  it('a request is told when asked and when answered, though another address answers', () => {
    const chain = sccp(
      w.udt(hlr, asker, atiBegin),
      w.udt(asker, w.party('919041955004', 6), w.ends([0, 0, 8, 14], atiAnswer)),
    );
    expect(chain.messages.map((m) => [m.name, m.outcome])).toEqual([
      ['anyTimeInterrogation', 'pending'],
      ['anyTimeInterrogation', 'success'],
    ]);
    const m = chain.messages[1]!;
    expect([m.calling, m.called, m.msisdn, m.servingNode, m.gaveLocation, m.place, m.answerPlace]).toEqual([
      '35699410525',
      '918790000126',
      '918790000126',
      '919028055000',
      true,
      1,
      2,
    ]);
    expect(m.context).toBe('0.4.0.0.1.0.29.3');
    expect(m.oddities).toEqual([]);
  });

  it('a refusal has its error, an abort refuses, silence ends after a minute', () => {
    const refused = sccp(w.udt(hlr, asker, atiBegin), w.udt(asker, hlr, w.ends([0, 0, 8, 14], w.failure(1, 49))));
    expect([refused.settled[0]!.outcome, refused.settled[0]!.errorCode]).toEqual(['refused', 49]);
    const aborted = sccp(w.udt(hlr, asker, atiBegin), w.udt(asker, hlr, w.tlv(0x67, w.tlv(0x49, [0, 0, 8, 14]))));
    expect(aborted.settled[0]!.outcome).toBe('refused');
    const silent = new w.Chain();
    silent.frame(w.udt(hlr, asker, atiBegin), 1e9, SCCP);
    silent.advance(1e9 + 59e6);
    expect(silent.settled).toEqual([]);
    silent.advance(1e9 + 61e6);
    expect(silent.settled[0]!.outcome).toBe('no-answer');
  });

  it('a bounced request was never heard; a bounced answer changes nothing', () => {
    const request = sccp(w.udt(hlr, asker, atiBegin), w.udt(asker, hlr, atiBegin, 10));
    expect(request.settled.map((m) => m.outcome)).toEqual(['no-answer']);
    const end = w.ends([0, 0, 8, 14], atiAnswer);
    const answer = sccp(w.udt(hlr, asker, atiBegin), w.udt(asker, hlr, end), w.udt(hlr, asker, end, 10));
    expect(answer.settled.map((m) => m.outcome)).toEqual(['success']);
  });

  it('a second tap counts once, the same bytes a second later count again', () => {
    const chain = new w.Chain();
    chain.frame(w.udt(hlr, asker, atiBegin), 1e9, SCCP);
    chain.frame(w.udt(w.party('919041955004', 6), asker, atiBegin), 1e9 + 20e3, SCCP);
    expect(chain.messages.length).toBe(1);
    chain.frame(w.udt(hlr, asker, atiBegin), 1e9 + 1e6, SCCP);
    expect(chain.messages.filter((m) => m.outcome === 'pending').length).toBe(2);
  });

  it('operations inside a dialogue inherit its subscriber', () => {
    const vlr = w.party('447785000685', 7);
    const home = w.party('447785011500', 6);
    const ul = w.tlv(
      0x30,
      w.tlv(4, w.imsi('262010000000064')),
      w.tlv(0x81, w.isdn('447785000685')),
      w.tlv(4, w.isdn('447785000685')),
    );
    const chain = sccp(
      w.udt(home, vlr, w.begin([1], w.context(1, 3), w.invoke(1, 2, ul))),
      w.udt(vlr, home, w.continues([9], [1], w.invoke(1, 7, w.tlv(0x30, w.tlv(0x81, w.isdn('447790000004')))))),
      w.udt(home, vlr, w.continues([1], [9], w.tlv(0xa2, [2, 1, 1]))),
      w.udt(vlr, home, w.ends([1], w.result(1, 2, w.tlv(0x30, w.tlv(4, w.isdn('447785011834')))))),
    );
    expect(chain.settled.map((m) => [m.name, m.imsi, m.outcome])).toEqual([
      ['insertSubscriberData', '262010000000064', 'success'],
      ['updateLocation', '262010000000064', 'success'],
    ]);
    expect(chain.settled[1]!.servingNode).toBe('447785000685');
  });

  it('authentication keys and identity in an answer are seen', () => {
    const triplet = w.tlv(0x30, w.tlv(4, new Uint8Array(16)), w.tlv(4, new Uint8Array(4)), w.tlv(4, new Uint8Array(8)));
    const vlr = w.party('919028055000', 7);
    const chain = sccp(
      w.udt(vlr, asker, w.begin([5], w.context(15, 2), w.invoke(1, 55, w.tlv(4, [1, 2, 3, 4])))),
      w.udt(
        asker,
        vlr,
        w.ends([5], w.result(1, 55, w.tlv(0x30, w.tlv(4, w.imsi('405037020000342')), w.tlv(0x30, triplet)))),
      ),
    );
    const m = chain.settled[0]!;
    expect([m.imsi, m.gaveKeys, m.gaveIdentity]).toEqual(['405037020000342', true, true]);
  });

  it('a context that is not MAP is not read as MAP (pycrate PR#5)', () => {
    const foreign = w.tlv(
      0x6b,
      w.tlv(
        0x28,
        w.tlv(6, [0, 0x11, 0x86, 5, 1, 1, 1]),
        w.tlv(0xa0, w.tlv(0x60, w.tlv(0xa1, w.tlv(6, [0x2a, 3, 4, 5])))),
      ),
    );
    expect(sccp(w.udt(hlr, asker, w.begin([1], foreign, w.invoke(1, 71, ati)))).messages).toEqual([]);
  });

  it('a profile for packet data gives its access point', () => {
    const apn = Buffer.from('\u0006meters\u0004city\u0007example', 'latin1');
    const pdp = w.tlv(0x30, w.tlv(2, [1]), w.tlv(0x90, [1, 0x21]), w.tlv(0x92, [1, 2, 3]), w.tlv(0x94, apn));
    const profile = w.tlv(0x30, w.tlv(0x80, w.imsi('262010000000064')), w.tlv(0xb0, w.tlv(0xa1, pdp)));
    expect(sccp(w.udt(hlr, asker, w.begin([1], w.context(16, 3), w.invoke(1, 7, profile)))).messages[0]!.apn).toBe(
      'meters.city.example',
    );
  });
});

describe('segments and links', () => {
  it('an operation cut over two XUDT is one request with both places', () => {
    const half = atiBegin.length >> 1;
    const chain = sccp(
      w.xudt(hlr, asker, atiBegin.subarray(0, half), true, 1, 77),
      w.xudt(hlr, asker, atiBegin.subarray(half), false, 0, 77),
    );
    expect([chain.messages[0]!.name, chain.messages[0]!.segments, chain.messages[0]!.place]).toEqual([
      'anyTimeInterrogation',
      [1],
      2,
    ]);
  });
  it('a single segment and a UDT decode alike (jss7#191)', () => {
    const a = sccp(w.xudt(hlr, asker, atiBegin, true, 0, 77)).messages[0]!;
    const b = sccp(w.udt(hlr, asker, atiBegin)).messages[0]!;
    expect({ ...a, place: 0 }).toEqual({ ...b, place: 0 });
  });
  it('segments that never complete are a fault', () => {
    expect(sccp(w.xudt(hlr, asker, atiBegin, true, 1, 77)).faults).toContain('SCCP_SEGMENTS');
  });

  const data = w.m3uaData(w.udt(hlr, asker, atiBegin));
  it.each([
    ['3', 3],
    ['swapped', 3 << 24],
    ['0', 0],
  ])('M3UA is recognised with payload protocol %s', (_, ppid) => {
    const chain = new w.Chain();
    chain.frame(w.sctpPacket('192.0.2.1', '192.0.2.2', 2905, w.chunk(7, ppid, data)), 1e9);
    expect(chain.messages.length).toBe(1);
  });
  it('fragments in any order, across the wrap of the TSN, make one message (arkime#4024, #4030)', () => {
    const third = Math.ceil(data.length / 3);
    const parts = [
      w.chunk(0xfffffffe, 3, data.subarray(0, third), 2),
      w.chunk(0xffffffff, 3, data.subarray(third, 2 * third), 0),
      w.chunk(0, 3, data.subarray(2 * third), 1),
    ];
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
      [2, 0, 1],
    ]) {
      const chain = new w.Chain();
      for (const [i, part] of order.entries())
        chain.frame(w.sctpPacket('192.0.2.1', '192.0.2.2', 2905, parts[part]!), 1e9 + i);
      expect(chain.messages.length, order.join()).toBe(1);
      expect(chain.messages[0]!.segments?.length).toBe(2);
    }
  });
  it('a retransmission counts once; a message after a lost one is not held back', () => {
    const chain = new w.Chain();
    const packet = w.sctpPacket('192.0.2.1', '192.0.2.2', 2905, w.chunk(7, 3, data));
    chain.frame(packet, 1e9);
    chain.frame(packet, 1e9 + 2e6);
    chain.frame(w.sctpPacket('192.0.2.1', '192.0.2.2', 2905, w.chunk(9, 3, data)), 1e9 + 4e6);
    expect(chain.messages.filter((m) => m.outcome === 'pending').length).toBe(2);
  });
});

describe('forms that slip past filters are read and noted', () => {
  const plain = w.invoke(1, 71, ati);
  const raw = (component: Uint8Array): Buffer => w.udt(hlr, asker, w.begin([1], w.context(29, 3), component));
  const cases: [string, Buffer, string][] = [
    ['operation code in two octets', raw(w.tlv(0xa1, [2, 1, 1], [2, 2, 0, 71], ati)), 'TCAP_OPCODE_PADDED'],
    ['global operation code', raw(w.tlv(0xa1, [2, 1, 1], [6, 6, 4, 0, 0, 1, 0, 71], ati)), 'TCAP_GLOBAL_OPCODE'],
    ['extended tag on the invoke', raw(w.cat([0xbf, 1, plain.length - 2], plain.subarray(2))), 'TCAP_EXTENDED_TAG'],
    ['unknown component tag', raw(w.cat([0xbf, 0x21, plain.length - 2], plain.subarray(2))), 'TCAP_COMPONENT_TAG'],
    [
      'transaction id of five octets',
      w.udt(hlr, asker, w.begin([0, 0, 0, 8, 14], w.context(29, 3), plain)),
      'TCAP_TID_LENGTH',
    ],
    [
      'garbage for a dialogue',
      w.udt(hlr, asker, w.begin([1], w.tlv(0x6b, w.tlv(0x28, [255, 255, 255])), plain)),
      'TCAP_DIALOGUE',
    ],
    [
      'indefinite length (pycrate#92)',
      w.udt(hlr, asker, w.tlv(0x62, w.tlv(0x48, [1]), w.context(29, 3), [0x6c, 0x80], plain, [0, 0])),
      'TCAP_INDEFINITE',
    ],
    ['operation in an End', w.udt(hlr, asker, w.ends([1], plain)), 'TCAP_INVOKE_IN_END'],
    ['Continue never begun', w.udt(hlr, asker, w.continues([1], [2], plain)), 'TCAP_NOT_BEGUN'],
    ['subsystem 0', w.udt(w.party('918790000126', 0), asker, atiBegin), 'SCCP_SSN'],
    [
      'second message behind the first',
      w.udt(
        hlr,
        asker,
        w.cat(
          w.begin([1], w.context(27, 3), w.invoke(1, 67, w.tlv(0xa3, w.tlv(4, w.imsi('262010000000064'))))),
          atiBegin,
        ),
      ),
      'TCAP_TRAILING',
    ],
    [
      'two invokes',
      w.udt(hlr, asker, w.begin([1], w.context(29, 3), w.invoke(1, 67, []), w.invoke(2, 71, ati))),
      'TCAP_SEVERAL_INVOKES',
    ],
  ];
  it.each(cases)('%s', (_, bytes, oddity) => {
    const found = sccp(bytes).messages.find((m) => m.operation === 71);
    expect(found?.msisdn).toBe('918790000126');
    expect(found?.oddities).toContain(oddity);
  });
  it('SCCP parts in another order are found by their pointers (go-sccp#32)', () => {
    const [c, a] = [w.cat([hlr.length], hlr), w.cat([asker.length], asker)];
    const bytes = w.cat(
      [9, 0, 3 + atiBegin.length + 1, 2 + atiBegin.length + 1 + c.length, 1],
      [atiBegin.length],
      atiBegin,
      c,
      a,
    );
    const m = sccp(bytes).messages[0]!;
    expect([m.called, m.calling]).toEqual(['918790000126', '35699410525']);
  });
  it('a dialogue without protocol version and with bad user information keeps the message (go-tcap#4, jss7#121)', () => {
    const dialogue = w.tlv(
      0x6b,
      w.tlv(
        0x28,
        w.tlv(6, [0, 0x11, 0x86, 5, 1, 1, 1]),
        w.tlv(0xa0, w.tlv(0x60, w.tlv(0xa1, w.tlv(6, w.oid([0, 4, 0, 0, 1, 0, 29, 3]))), [0xbe, 3, 0xff, 0xff, 0xff])),
      ),
    );
    expect(sccp(w.udt(hlr, asker, w.begin([1], dialogue, plain))).messages[0]!.context).toBe('0.4.0.0.1.0.29.3');
  });
  it('extra bytes behind a result do not hide it (jss7#233)', () => {
    const value = w.cat(
      w.tlv(0x30, w.tlv(4, w.imsi('262010000000064')), w.tlv(0xa0, w.tlv(0x81, w.isdn('919028055000')))),
      [0, 0],
    );
    const chain = sccp(
      w.udt(
        hlr,
        asker,
        w.begin([1], w.context(20, 3), w.invoke(1, 45, w.tlv(0x30, w.tlv(0x80, w.isdn('918790000126'))))),
      ),
      w.udt(asker, hlr, w.ends([1], w.result(1, 45, value))),
    );
    expect([chain.settled[0]!.imsi, chain.settled[0]!.servingNode]).toEqual(['262010000000064', '919028055000']);
  });
  it('ANSI TCAP at a mobile subsystem is told as undecodable, ANSI addresses are read by their order (pycrate#236)', () => {
    const m = sccp(w.udt(hlr, asker, w.tlv(0xe2, [0xc7, 4, 0, 0, 8, 14]))).messages[0]!;
    expect([m.operation, m.oddities]).toEqual([-1, ['TCAP_ANSI']]);
    const ansi = w.cat([0x80 | 0x01 | 0x02, 6, 1, 2, 3]);
    const read = sccp(w.udt(ansi, asker, atiBegin)).messages[0]!;
    expect([read.calledSsn, read.oddities]).toEqual([6, ['SCCP_ANSI']]);
  });
  it('a trailing zero of an even title is a digit (pycrate#136)', () => {
    expect(sccp(w.udt(w.party('9187900001', 6), w.party('4917000000', 7), atiBegin)).messages[0]!.calling).toBe(
      '4917000000',
    );
  });
});

describe('Diameter', () => {
  const s6a = 16777251;
  const base = [
    w.avp(263, 's;1'),
    w.avp(264, 'MME01.epc.mnc010.mcc208.3gppnetwork.org.'),
    w.avp(296, 'epc.mnc010.mcc208.3gppnetwork.org'),
    w.avp(283, 'epc.mnc001.mcc262.3gppnetwork.org'),
    w.avp(1, '262010000000064'),
  ];
  const air = w.diameterMessage(true, 318, s6a, 5, ...base, w.avp(1407, [0x02, 0xf8, 0x01], 10415));
  const aia = w.diameterMessage(
    false,
    318,
    s6a,
    5,
    w.avp(263, 's;1'),
    w.avp(268, [0, 0, 7, 0xd1]),
    w.avp(1413, w.avp(1414, w.avp(1447, new Uint8Array(16), 10415), 10415), 10415),
  );
  const chainOf = (...pairs: [Buffer, boolean][]): w.Chain => {
    const chain = new w.Chain();
    for (const [i, [message, fromA]] of pairs.entries()) {
      const ends = fromA ? (['192.0.2.1', '192.0.2.2'] as const) : (['192.0.2.2', '192.0.2.1'] as const);
      chain.frame(w.sctpPacket(ends[0], ends[1], 3868, w.chunk(10 + i, 46, message)), 1e9 + i * 1e6);
    }
    chain.end();
    return chain;
  };
  it('request and answer are paired; names are lower case without a final dot', () => {
    const m = chainOf([air, true], [aia, false]).settled[0]!;
    expect([m.name, m.imsi, m.outcome, m.gaveKeys, m.visitedPlmn, m.calling]).toEqual([
      'Authentication-Information',
      '262010000000064',
      'success',
      true,
      '20810',
      'mme01.epc.mnc010.mcc208.3gppnetwork.org',
    ]);
    expect(m.oddities).toEqual(['DIAMETER_NAME_CASE', 'DIAMETER_NAME_DOT']);
  });
  it('an answer without a request is dropped (freeDiameter#15)', () => {
    expect(chainOf([aia, false]).messages).toEqual([]);
  });
  it.each([
    ['length 0 (otp#11331)', w.avp(999, [1, 2, 3, 4], 0, 0)],
    ['length 1 (go-diameter#96)', w.avp(999, [1, 2, 3, 4], 0, 1)],
    ['vendor bit with length 8 (GHSA-6r28-9ppf-4hj5)', w.avp(999, [1, 2, 3, 4], 10415, 8)],
    ['length past the message (go-diameter#249)', w.avp(999, [1, 2, 3, 4], 0, 4000)],
  ])('an AVP of %s ends the walk, what was read stays', (_, bad) => {
    const chain = chainOf([w.diameterMessage(true, 316, s6a, 6, ...base, bad, w.avp(1, '999')), true]);
    expect(chain.messages[0]!.imsi).toBe('262010000000064');
    expect(chain.messages[0]!.oddities).toContain('DIAMETER_AVP_LENGTH');
    expect(chain.faults).toContain('DIAMETER_AVP_LENGTH');
  });
  it('padding is skipped whatever is in it (go-diameter#38, jdiameter#119, dpkt#313)', () => {
    const odd = w.avp(263, 'x');
    odd.fill(0xee, 9);
    expect(chainOf([w.diameterMessage(true, 316, s6a, 6, odd, ...base), true]).messages[0]!.imsi).toBe(
      '262010000000064',
    );
  });
  it('a truncated result code is no number, the rest stands aligned (go-diameter#256)', () => {
    const bad = w.diameterMessage(false, 318, s6a, 5, w.avp(268, [7, 0xd1]), w.avp(1, '262010000000064'));
    expect(chainOf([air, true], [bad, false]).settled[0]!.outcome).toBe('refused');
  });
  it('groups nested past the bound are noted, not followed', () => {
    let nest = w.avp(1400, new Uint8Array(8), 10415);
    for (let i = 0; i < 40; i++) nest = w.avp(1400, nest, 10415);
    expect(chainOf([w.diameterMessage(true, 319, s6a, 6, ...base, nest), true]).messages[0]!.oddities).toContain(
      'DIAMETER_DEPTH',
    );
  });
  it('over TCP messages are found wherever segments cut them, and after lost bytes (dpkt, arkime#4121)', () => {
    const both = Buffer.concat([air, air, air]);
    both.writeUInt32BE(6, air.length + 12);
    both.writeUInt32BE(7, 2 * air.length + 12);
    for (const cut of [1, 4, 19, 20, 33, air.length - 1, air.length + 7]) {
      const chain = new w.Chain();
      const header = (sequence: number): Buffer => {
        const b = Buffer.alloc(20);
        b.writeUInt16BE(40000, 0);
        b.writeUInt16BE(3868, 2);
        b.writeUInt32BE(sequence, 4);
        b.set([0x50, 0x18, 0xff, 0xff], 12);
        return b;
      };
      const send = (from: number, to: number, i: number): void =>
        chain.frame(
          w.ethernet('192.0.2.1', '192.0.2.2', 6, w.cat(header(1000 + from), both.subarray(from, to))),
          1e9 + i * 1e6,
        );
      send(0, air.length, 0);
      send(air.length, air.length + cut, 1);
      send(air.length + cut, both.length, 2);
      expect(chain.messages.filter((m) => m.outcome === 'pending').length, `cut ${cut}`).toBe(3);
    }
  });
});

describe('any bytes', () => {
  const seeds: [Buffer, number][] = [
    [w.udt(hlr, asker, atiBegin), SCCP],
    [w.xudt(hlr, asker, atiBegin, true, 1, 5), SCCP],
    [w.sctpPacket('192.0.2.1', '192.0.2.2', 2905, w.chunk(7, 3, w.m3uaData(w.udt(hlr, asker, atiBegin)))), 1],
    [
      w.sctpPacket(
        '192.0.2.1',
        '192.0.2.2',
        3565,
        w.chunk(
          7,
          5,
          w.cat([1, 0, 11, 1, 0, 0, 0, 60], new Uint8Array(9), [3, 1, 2, 3, 4], w.udt(hlr, asker, atiBegin)),
        ),
      ),
      1,
    ],
    [
      w.sctpPacket(
        '192.0.2.1',
        '192.0.2.2',
        3868,
        w.chunk(
          7,
          46,
          w.diameterMessage(
            true,
            316,
            16777251,
            5,
            w.avp(264, 'a.b'),
            w.avp(1400, w.avp(1429, w.avp(1430, [0, 0, 0, 1], 10415), 10415), 10415),
          ),
        ),
      ),
      1,
    ],
  ];
  it('SCTP chunks of length 0 to 3 end the packet (dpkt#583, usrsctp#352)', () => {
    for (let length = 0; length < 4; length++) {
      const chain = new w.Chain();
      chain.frame(w.sctpPacket('192.0.2.1', '192.0.2.2', 2905, Buffer.from([0, 3, 0, length, 1, 2, 3, 4])), 1e9);
      expect(chain.messages).toEqual([]);
    }
  });
  it('the chain never throws on any frame of any link type', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(1, 140, 141, 142, 101), (bytes, type) => {
        const chain = new w.Chain();
        chain.frame(bytes, 1e9, type);
        chain.end();
      }),
      { numRuns: 500 },
    );
  });
  it.each([0, 1, 2, 3, 4])(
    '100,000 mutations of seed %i are survived in bounded time',
    (n) => {
      const [seed, type] = seeds[n]!;
      let state = 12345 + n;
      const random = (below: number): number => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.floor((state / 2 ** 32) * below);
      };
      const chain = new w.Chain();
      chain.keep = false;
      const started = process.hrtime.bigint();
      for (let i = 0; i < 100_000; i++) {
        const bytes = Buffer.from(seed);
        // Beyond the outer headers most of the time, so that inner layers see the damage.
        const floor = random(8) === 0 || type !== 1 ? 0 : 34;
        for (let k = random(4) + 1; k > 0; k--)
          bytes[floor + random(bytes.length - floor)] =
            random(3) === 0 ? [0, 0x80, 0xff, 0x7f, 1][random(5)]! : random(256);
        chain.frame(random(10) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes, 1e9 + i * 1000, type);
      }
      chain.end();
      expect(Number(process.hrtime.bigint() - started) / 1e9).toBeLessThan(20);
      expect(chain.count).toBeGreaterThan(0);
    },
    30_000,
  );
});

describe.skipIf(!existsSync(corpus))('agreement with tshark on the corpus (skipped where the corpus is absent)', () => {
  /** Where we differ, and why. */
  const known: Readonly<Record<string, string>> = {
    ss7_xudts_m2pa_2007: 'the context is not MAP: tshark reads five absurd operations, we read none',
  };
  const folders = ['tune', 'test'].map((h) => join(corpus, 'captures', h)).filter(existsSync);
  const captures = folders.flatMap((f) =>
    readdirSync(f)
      .filter((n) => n.endsWith('.pcap'))
      .map((n) => join(f, n)),
  );
  const decoded = (path: string): w.Chain => {
    const chain = new w.Chain();
    for (const f of w.pcapFrames(readFileSync(path)))
      chain.frame(f.bytes, f.at, f.linkType === 113 ? 113 : f.linkType, f.place);
    chain.end();
    return chain;
  };
  const rows = (name: string): Record<string, string>[] => {
    const [head, ...lines] = readFileSync(join(corpus, 'expect', `${name}.tsv`), 'utf8')
      .trimEnd()
      .split('\n');
    const columns = head!.split('\t');
    return lines.map((l) => Object.fromEntries(l.split('\t').map((cell, i) => [columns[i]!, cell])));
  };
  for (const path of captures.filter((p) => /ss7_|gprs_attach/.test(p))) {
    const name = path.slice(path.lastIndexOf('/') + 1, -5);
    it(`MAP operations and subscribers of ${name}${known[name] === undefined ? '' : `: ${known[name]}`}`, () => {
      const chain = decoded(path);
      if (known[name] !== undefined) {
        expect(chain.messages).toEqual([]);
        return;
      }
      // One row a request that tshark saw, second taps taken out as we do: same ids, operation and time within half a second.
      const expected = new Set<string>();
      const seen = new Map<string, number>();
      for (const r of rows(name)) {
        if ((r['gsm_old.invoke_element'] ?? '') === '' || (r['gsm_old.localValue'] ?? '') === '') continue;
        const key = `${r['tcap.otid']}|${r['tcap.dtid']}|${r['gsm_old.localValue']}`;
        const at = Number(r['frame.time_epoch']);
        if (at - (seen.get(key) ?? 0) < 0.5) continue;
        seen.set(key, at);
        expected.add(`${r['frame.number']} ${r['gsm_old.localValue']} ${(r['e212.imsi'] ?? '').split(';')[0]}`);
      }
      // Only the subscriber of the argument itself is compared: the dialogue's is ours to add.
      const ours = new Set<string>();
      for (const m of chain.messages.filter((x) => x.outcome === 'pending')) {
        const row = rows(name).find((r) => r['frame.number'] === String(m.place));
        ours.add(`${m.place} ${m.operation} ${(row?.['e212.imsi'] ?? '') === '' ? '' : m.imsi}`);
      }
      expect([...ours].sort()).toEqual([...expected].sort());
    });
  }
  for (const path of captures.filter((p) => /magma|open5gs|arkime_diameter|ndpi_diameter/.test(p))) {
    const name = path.slice(path.lastIndexOf('/') + 1, -5);
    it(`Diameter requests and results of ${name}`, () => {
      const chain = decoded(path);
      const upkeep = new Set(['257', '280', '282']);
      const expected: string[] = [];
      for (const r of rows(name)) {
        const codes = (r['diameter.cmd.code'] ?? '').split(';');
        const flags = (r['diameter.flags.request'] ?? '').split(';');
        for (const [i, code] of codes.entries())
          if (code !== '' && flags[i] === '1' && !upkeep.has(code)) expected.push(`${r['frame.number']} ${code}`);
      }
      const ours = chain.messages.filter((m) => m.outcome === 'pending').map((m) => `${m.place} ${m.operation}`);
      expect(ours.sort()).toEqual(expected.sort());
    });
  }
});
