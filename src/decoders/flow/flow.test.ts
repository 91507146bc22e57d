import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FlowPhase } from '#events';
import { Assembler, back, type Packet, packetBatch } from './testing.ts';

const to: Packet = { fromPort: 40_000, toPort: 8080 };
const closedOf = (...packets: Packet[]) => new Assembler().take(...packets).closed();
/** A hand-shake at second `at`: the client's numbers start at 1000, the server's at 5000. */
const shake = (at = 0, ends: Packet = to): Packet[] => [
  { ...ends, at, flags: 'S', sequence: 1000 },
  back(ends, { at: at + 0.01, flags: 'SA', sequence: 5000 }),
  { ...ends, at: at + 0.02, flags: 'A', sequence: 1001 },
];

describe('the originator', () => {
  it('is who sent the SYN, whatever the ports say', () => {
    const [f] = closedOf(...shake(0, { fromPort: 80, toPort: 50_000 }));
    expect(f).toMatchObject({ ends: '10.0.0.1:80 > 10.0.0.2:50000', packets: [2, 1] });
  });

  it('is who got the SYN-ACK when that comes first', () => {
    const [f] = closedOf({ ...to, flags: 'SA' }, back(to, { flags: 'A' }));
    expect(f).toMatchObject({ ends: '10.0.0.2:8080 > 10.0.0.1:40000', packets: [1, 1] });
  });

  it('a SYN behind its own SYN-ACK joins the flow', () => {
    const [syn, synAck, ack] = shake();
    const flows = closedOf(synAck!, syn!, ack!);
    expect(flows).toHaveLength(1);
    expect(flows[0]).toMatchObject({ from: '10.0.0.1:40000', packets: [2, 1], state: 'S1' });
  });

  it('without a hand-shake is the side away from the well-known port', () => {
    const mail = { fromPort: 50_000, toPort: 25 };
    for (const first of [mail, back(mail)]) {
      const [f] = closedOf({ ...first, flags: 'A', payload: 10 });
      expect(f!.ends).toBe('10.0.0.1:50000 > 10.0.0.2:25');
    }
  });

  it('a Modbus session first seen from the server is the client’s (suricata#1776, #1727)', () => {
    const [f] = closedOf({ fromPort: 502, toPort: 500, flags: 'PA', payload: 12 });
    expect(f).toMatchObject({ from: '10.0.0.2:500', service: 8, packets: [0, 1], payload: [0, 12] });
  });

  it('with two high ports is the higher in TCP, the first sender in UDP', () => {
    expect(closedOf({ fromPort: 8080, toPort: 40_000, flags: 'A' })[0]!.from).toBe('10.0.0.2:40000');
    expect(closedOf({ fromPort: 8080, toPort: 40_000, protocol: 17 })[0]!.from).toBe('10.0.0.1:8080');
  });

  it('is never a broadcast or multicast address (zeek#3235)', () => {
    for (const [from, target] of [
      ['10.0.0.1', '255.255.255.255'],
      ['10.0.0.1', '224.0.0.251'],
      ['fe80::1', 'ff02::fb'],
    ]) {
      const p: Packet = { from: from!, to: target!, fromPort: 68, toPort: 40_067, protocol: 17, payload: 9 };
      expect(closedOf(p)[0], target).toMatchObject({ from: `${from}:68`, packets: [1, 0] });
      expect(closedOf(back(p))[0], target).toMatchObject({ from: `${from}:68`, packets: [0, 1] });
    }
  });

  it('a router’s or neighbour’s advertisement to all was asked for by nobody', () => {
    for (const icmp of [134, 136]) {
      const [f] = closedOf({ from: 'fe80::1', to: 'ff02::1', protocol: 58, icmp });
      expect(f).toMatchObject({ from: expect.stringMatching(/^fe80::1:/), packets: [1, 0] });
    }
  });

  it('of a ping is told by type, though the first request was missed (zeek#5830)', () => {
    for (const [protocol, request, reply] of [
      [1, 8, 0],
      [1, 13, 14],
      [1, 15, 16],
      [1, 17, 18],
      [58, 128, 129],
      [58, 133, 134],
      [58, 135, 136],
    ] as const) {
      const ask: Packet = { protocol, icmp: request };
      const answer = back(ask, { icmp: reply });
      const flows = closedOf(answer, ask, answer);
      expect(flows, `type ${request}`).toHaveLength(1);
      expect(flows[0]).toMatchObject({ packets: [1, 2], state: 'SF', from: expect.stringMatching(/^10\.0\.0\.1:/) });
    }
  });

  it('other ICMP types do not meet: an unreachable is no answer to a ping', () => {
    expect(closedOf({ protocol: 1, icmp: 8 }, back({}, { protocol: 1, icmp: 3 }))).toHaveLength(2);
  });

  it('of a SYN-ACK that only a reset answers is who sent it (stealth scan): told once, the right way round', () => {
    const scan = back(to, { flags: 'SA', sequence: 7 });
    for (const packets of [
      [scan, { ...to, flags: 'R' }],
      [scan, { ...scan, at: 1 }, { ...to, at: 1, flags: 'R' }],
      [scan, { ...to, flags: 'RA' }, { ...scan, at: 1 }, { ...to, at: 1, flags: 'R' }],
    ]) {
      const a = new Assembler().take(...packets);
      const [f] = a.closed();
      expect(f).toMatchObject({ from: '10.0.0.2:8080', to: '10.0.0.1:40000', state: 'OTH' });
      expect(f!.packets[0] + f!.packets[1]).toBe(packets.length);
      expect(f!.history.startsWith('Hr')).toBe(true);
      expect(a.rows.map((r) => [r.phase, r.from])).toEqual([
        [FlowPhase.Open, '10.0.0.2:8080'],
        [FlowPhase.Close, '10.0.0.2:8080'],
      ]);
    }
    // An ACK, data or nothing at all: the SYN was missed, and its answer is an answer.
    for (const next of [[{ ...to, flags: 'A' }], [], [{ ...to, flags: 'A', payload: 3 }]])
      expect(closedOf(scan, ...next)[0]!.from).toBe('10.0.0.1:40000');
  });

  it('packets count on the side that sent them after a flip (zeek#5047)', () => {
    const answers = back(to, { flags: 'SA', payload: 0 });
    const [f] = closedOf(answers, { ...answers, flags: 'A', payload: 100, sequence: 1 });
    expect(f).toMatchObject({ from: '10.0.0.1:40000', packets: [0, 2], payload: [0, 100] });
  });

  it('the service follows the responder after a flip (zeek#2426)', () => {
    // Port 88 would be Kerberos, were the first sender the client.
    const [f] = closedOf({ fromPort: 80, toPort: 88, flags: 'SA' });
    expect(f).toMatchObject({ to: '10.0.0.1:80', service: 2 });
  });
});

describe('the key', () => {
  it('equal addresses are told apart by port, both ways', () => {
    const self: Packet = { from: '127.0.0.1', to: '127.0.0.1', fromPort: 40_000, toPort: 8080 };
    const flows = closedOf(...shake(0, self), { ...self, flags: 'A', sequence: 1001, payload: 7 });
    expect(flows).toHaveLength(1);
    expect(flows[0]).toMatchObject({ from: '127.0.0.1:40000', packets: [3, 1], payload: [7, 0], state: 'S1' });
  });

  it('equal addresses and equal ports: the flags tell who spoke', () => {
    const self: Packet = { from: '127.0.0.1', to: '127.0.0.1', fromPort: 5000, toPort: 5000 };
    const [f] = closedOf({ ...self, flags: 'S', sequence: 1 }, { ...self, flags: 'SA', sequence: 9 });
    expect(f).toMatchObject({ packets: [1, 1], state: 'S1' });
  });

  it('a host that pings itself has both sides', () => {
    const self: Packet = { from: '127.0.0.1', to: '127.0.0.1', protocol: 1 };
    expect(closedOf({ ...self, icmp: 8 }, { ...self, icmp: 0 })[0]).toMatchObject({ packets: [1, 1], state: 'SF' });
  });

  it('VLAN, protocol and ports separate', () => {
    const p: Packet = { protocol: 17, fromPort: 1111, toPort: 2222 };
    const other = [
      { ...p, vlan: 7 },
      { ...p, protocol: 6 },
      { ...p, fromPort: 1112 },
      { ...p, from: '10.0.0.3' },
    ];
    expect(closedOf(p, ...other)).toHaveLength(5);
  });

  it('later fragments are one flow with ports 0 of the same hosts', () => {
    const first: Packet = { protocol: 17, fromPort: 1111, toPort: 2222, payload: 1000 };
    const later: Packet = { protocol: 17, payload: 500, fragment: true };
    expect(closedOf(first, later, later).map((f) => [f.from, f.packets[0], f.payload[0]])).toEqual([
      ['10.0.0.1:1111', 1, 1000],
      ['10.0.0.1:0', 2, 1000],
    ]);
  });

  it('a datagram that came in fragments counts each of its packets', () => {
    const [f] = closedOf({ protocol: 17, fromPort: 1111, toPort: 2222, payload: 4000, parts: 3 });
    expect(f).toMatchObject({ packets: [3, 0], payload: [4000, 0] });
  });

  it('a SYN with a new number on a closed or open tuple is a new flow; the same number is the old SYN again', () => {
    const [syn] = shake();
    expect(closedOf(syn!, { ...syn!, at: 1 }, { ...syn!, at: 3 })).toMatchObject([{ packets: [3, 0], state: 'S0' }]);
    const again = closedOf(...shake(), { ...to, at: 1, flags: 'FA', sequence: 1001 }, { ...syn!, at: 2, sequence: 77 });
    expect(again.map((f) => [f.state, f.packets])).toEqual([
      ['S2', [3, 1]],
      ['S0', [1, 0]],
    ]);
    expect(closedOf(...shake(), back(to, { at: 1, flags: 'S', sequence: 3 }))).toHaveLength(2);
    // A number of another connection's life does not reach into the next.
    expect(again[1]!.firstAt - again[0]!.lastAt).toBe(1e6);
  });
});

describe('bytes', () => {
  it('payload sent again counts once, its packets each time', () => {
    const data = { ...to, flags: 'A', sequence: 1001, payload: 100 };
    const [f] = closedOf(...shake(), data, data, { ...data, sequence: 1051, payload: 100 });
    expect(f).toMatchObject({ packets: [5, 1], payload: [150, 0] });
    expect(f!.ipBytes).toEqual([40 * 2 + 3 * 140, 40]);
  });

  it('payload that was overtaken counts when it comes, once', () => {
    const part = (n: number): Packet => ({ ...to, flags: 'A', sequence: 1001 + 100 * n, payload: 100 });
    expect(closedOf(...shake(), part(0), part(2), part(1), part(1), part(3))[0]!.payload).toEqual([400, 0]);
    expect(closedOf(...shake(), part(1), part(0), part(0), part(2))[0]!.payload).toEqual([300, 0]);
  });

  it('sequence numbers wrap', () => {
    const data = (sequence: number): Packet => ({ ...to, flags: 'A', sequence, payload: 100 });
    const [f] = closedOf(data(0xffffffff - 49), data(50), data(0xffffffff - 49));
    expect(f!.payload).toEqual([200, 0]);
  });

  it('a SYN-ACK again with another number adds nothing, and takes nothing from what follows (zeek#3313)', () => {
    const reply = (sequence: number): Packet => back(to, { flags: 'A', sequence, payload: 100 });
    for (const second of [4_000_000_000, 2_000_000_000, 900_000, 4_000_000])
      for (const data of [5001, second + 1]) {
        const [f] = closedOf(
          ...shake(),
          back(to, { flags: 'SA', sequence: second }),
          reply(data),
          reply(data + 100),
          reply(data + 100),
        );
        expect(f!.payload, `${second}, ${data}`).toEqual([0, 200]);
      }
  });

  it('no forged jump adds a byte, and none hides the data that follow', () => {
    const at = (sequence: number): Packet => ({ ...to, flags: 'A', sequence: sequence >>> 0, payload: 10 });
    const [f] = closedOf(...shake(), at(1001), at(1001 + 0x7000_0000), at(1011), at(1021), at(1031));
    expect(f!.payload).toEqual([50, 0]);
  });

  it('what was not captured counts by the length fields', () => {
    const [f] = closedOf({ ...to, protocol: 17, payload: 1200, captured: 10 });
    expect(f).toMatchObject({ payload: [1200, 0], ipBytes: [1228, 0] });
  });

  it('data in a SYN count, and once', () => {
    const syn: Packet = { ...to, flags: 'S', sequence: 1000, payload: 50 };
    const rest: Packet = { ...to, flags: 'A', sequence: 1051, payload: 5 };
    expect(closedOf(syn, { ...syn, at: 1 }, { ...rest, at: 2 })[0]!.payload).toEqual([55, 0]);
  });

  it('a flow has at least one packet (zeek#5277)', () => {
    // Checksums are not judged, so a single bad SYN is a flow of one packet.
    expect(closedOf({ ...to, flags: 'S' })).toMatchObject([{ packets: [1, 0], state: 'S0' }]);
  });
});

describe('the end', () => {
  const silence = (first: Packet[], seconds: number): number => {
    const a = new Assembler().take(...first);
    const at = first.at(-1)!.at ?? 0;
    a.take({ at: at + seconds, protocol: 132, from: '10.9.9.9' });
    return a.rows.filter((r) => r.phase === FlowPhase.Close).length;
  };
  it.each([
    ['an established connection', shake(), 3600],
    ['data without a hand-shake', [{ ...to, flags: 'A', payload: 1 }], 3600],
    ['an attempt without an answer', [{ ...to, flags: 'S' }], 30],
    ['a reset connection', [...shake(), back(to, { at: 0.1, flags: 'R' })], 5],
    [
      'a connection closed by both',
      [...shake(), { ...to, at: 0.1, flags: 'FA' }, back(to, { at: 0.2, flags: 'FA' })],
      5,
    ],
    ['UDP', [{ ...to, protocol: 17 }], 60],
    ['ICMP', [{ protocol: 1, icmp: 8 }], 60],
    ['another protocol', [{ protocol: 50 }], 60],
  ] as const)('%s: after its silence, not before', (_what, packets, seconds) => {
    expect(silence([...packets], seconds - 1)).toBe(0);
    expect(silence([...packets], seconds + 1)).toBe(1);
  });

  it('half closed lives on: the other side may still send', () => {
    expect(silence([...shake(), { ...to, at: 0.1, flags: 'FA' }], 3000)).toBe(0);
  });

  it('a meter that reports each half-hour is one session for a day', () => {
    const day = Array.from({ length: 48 }, (_, i): Packet[] => [
      { ...to, at: 1800 * i + 1, flags: 'PA', sequence: 1001 + 60 * i, payload: 60 },
      back(to, { at: 1800 * i + 1.1, flags: 'A', sequence: 5001 }),
    ]).flat();
    expect(closedOf(...shake(), ...day)).toMatchObject([{ packets: [50, 49], payload: [48 * 60, 0] }]);
  });

  it('time that goes back makes no duration negative and ends nothing early', () => {
    const [f, ...more] = closedOf(
      { ...to, at: 100, protocol: 17, payload: 1 },
      { ...to, at: 40, protocol: 17, payload: 1 },
      { ...to, at: 101, protocol: 17, payload: 1 },
    );
    expect(more).toEqual([]);
    expect(f!.lastAt - f!.firstAt).toBe(1e6);
  });

  it('UDP ends by the packets’ own time, whatever other inputs’ clocks say (suricata#13173)', () => {
    // Two captures in one run, years apart: each is ended by the time that has been reached, never before its silence.
    const a = new Assembler().take(
      { ...to, at: 0, protocol: 17 },
      { ...to, at: 50, protocol: 17 },
      { ...to, at: 100, protocol: 17 },
    );
    expect(a.closed()).toMatchObject([{ packets: [3, 0] }]);
    const b = new Assembler().take({ ...to, at: 1e6, protocol: 17 }, { ...to, at: 5, protocol: 17, from: '10.0.0.9' });
    expect(b.rows.filter((r) => r.phase === FlowPhase.Close)).toEqual([]);
  });

  it('a connection that is only kept, without payload, is told each five minutes', () => {
    const keep = Array.from({ length: 40 }, (_, i): Packet => ({ ...to, at: 60 * i, flags: 'A', sequence: 1000 }));
    const a = new Assembler().take(...shake(), ...keep.slice(1));
    const updates = a.rows.filter((r) => r.phase === FlowPhase.Update);
    expect(updates.length).toBe(7);
    expect(updates.at(-1)!.packets[0]).toBeGreaterThan(30);
    expect(updates.every((r) => r.delta[0] === 0)).toBe(true);
  });

  it('the end of the input closes what is left', () => {
    const a = new Assembler().take(...shake(), { ...to, protocol: 17 });
    expect(a.closed()).toHaveLength(2);
    expect(a.closed()).toHaveLength(2);
  });
});

describe('rows', () => {
  it('open once, update at most once a second, close; the deltas add up to the totals', () => {
    const data = Array.from(
      { length: 50 },
      (_, i): Packet => ({ ...to, at: 0.1 * i, protocol: 17, payload: 10, fromPort: 4000 }),
    );
    const a = new Assembler().take(...data);
    a.closed();
    const phases = a.rows.map((r) => r.phase);
    expect(phases[0]).toBe(FlowPhase.Open);
    expect(phases.at(-1)).toBe(FlowPhase.Close);
    expect(phases.filter((p) => p === FlowPhase.Update)).toHaveLength(4);
    expect(a.rows.reduce((sum, r) => sum + r.delta[0], 0)).toBe(500);
    expect(new Set(a.rows.map((r) => r.flow)).size).toBe(1);
    expect(a.rows.at(-1)).toMatchObject({ place: 1, lastPlace: 50, payload: [500, 0] });
  });

  const burst = (at: number, pieces: number): Packet[] =>
    Array.from({ length: pieces }, (_, i) => ({ ...to, at: at + 0.1 * i, protocol: 17, payload: 10, fromPort: 4000 }));
  const seconds = (micros: number): number => (micros - 1.7e15) / 1e6;
  const told = (a: Assembler): number[][] => a.rows.map((r) => [r.phase, seconds(r.lastAt), r.delta[0]]);

  it('a burst that another follows is a row of its own, up to its last packet', () => {
    const a = new Assembler().take(...burst(0, 4), ...burst(2, 3), ...burst(4, 2));
    expect(told(a)).toEqual([
      [FlowPhase.Open, 0, 0],
      [FlowPhase.Update, 0.3, 40],
      [FlowPhase.Update, 2.2, 30],
    ]);
    a.closed();
    expect(told(a).at(-1)).toEqual([FlowPhase.Close, 4.1, 20]);
  });

  it('the last burst of a flow that has lived for ten seconds is told soon, whether or not another follows', () => {
    const other: Packet = { ...to, at: 20, protocol: 17, fromPort: 4001 };
    const a = new Assembler().take(...burst(0, 1), ...burst(11, 4), other);
    expect(told(a).slice(1, 3)).toEqual([
      [FlowPhase.Update, 0, 10],
      [FlowPhase.Update, 11.3, 40],
    ]);
  });

  it('a batch speaks of one input', () => {
    const a = new Assembler();
    const files: string[] = [];
    const sink = { ...a.sink, emit: (b: Parameters<typeof a.sink.emit>[0]) => void files.push(originOf(b)) };
    for (const file of ['a.pcap', 'b.pcap', 'a.pcap']) {
      const b = packetBatch([{ ...to, fromPort: file === 'a.pcap' ? 1 : 2, protocol: 17 }]);
      b.origin = { file, placed: 'frame' };
      a.decoder.decode(b, sink);
    }
    a.decoder.end(sink);
    expect(files).toEqual(['a.pcap', 'b.pcap', 'a.pcap', 'b.pcap']);
  });

  it('HTTP Host and CONNECT authority name the flow, without a port, for every later row', () => {
    const named = (text: string): string =>
      closedOf(...shake(), { ...to, flags: 'PA', sequence: 1001, payload: Buffer.from(text) })[0]!.name;
    expect(named('GET / HTTP/1.1\r\nAccept: a\r\nhOsT:  shop.example:8080\r\n\r\n')).toBe('shop.example');
    expect(named('CONNECT mail.example:443 HTTP/1.1\r\n\r\n')).toBe('mail.example');
    expect(named('CONN')).toBe('');
    expect(named('GET / HTTP/1.0\r\n\r\nHost: ')).toBe('');
    expect(named('PUT /\nhost:xy\n')).toBe('xy');
  });

  it('a name that the segment cuts is none, not a part of it', () => {
    const text = 'POST / HTTP/1.1\r\nHost: shop.example\r\n\r\n';
    for (const whole of [text, 'CONNECT shop.example:443 HTTP/1.1\r\n\r\n'])
      for (let end = 0; end < whole.length; end++) {
        const payload = Buffer.from(whole.slice(0, end));
        const [f] = closedOf({ ...to, flags: 'PA', payload });
        expect(['', 'shop.example']).toContain(f!.name);
      }
  });

  it('content tells the service before the port does', () => {
    const of = (payload: number[], toPort = 4444): number =>
      closedOf({ ...to, toPort, flags: 'PA', payload: Uint8Array.from(payload) })[0]!.service;
    expect(of([...Buffer.from('SSH-2.0-x')])).toBe(5);
    expect(of([0, 0, 0, 9, 0xfe, 0x53, 0x4d, 0x42, 1])).toBe(3);
    expect(of([5, 0, 11, 3, 0])).toBe(4);
    expect(of([0x10, 12, 0, 4, 0x4d, 0x51, 0x54, 0x54])).toBe(7);
    expect(of([...Buffer.from('GET / HTTP/1.1\r\n')], 443)).toBe(2);
    expect(of([1, 2, 3, 4])).toBe(0);
    expect(of([1, 2, 3, 4], 2404)).toBe(9);
  });
});

describe('states', () => {
  const o = (flags: string): Packet => ({ ...to, flags });
  const r = (flags: string): Packet => back(to, { flags });
  it.each([
    ['S0', [o('S')]],
    ['S1', [o('S'), r('SA'), o('A')]],
    ['SF', [o('S'), r('SA'), o('FA'), r('FA'), o('A')]],
    ['SF', [o('S'), r('SA'), o('FA'), r('FA'), r('R')]],
    ['SF', [r('SA'), o('A'), o('FA'), r('FA')]],
    ['S2', [o('S'), r('SA'), o('FA'), r('A')]],
    ['S3', [o('S'), r('SA'), r('FA'), o('A')]],
    ['REJ', [o('S'), r('RA')]],
    ['RSTO', [o('S'), r('SA'), o('R')]],
    ['RSTR', [o('S'), r('SA'), o('A'), r('R')]],
    ['RSTOS0', [o('S'), o('R')]],
    ['RSTRH', [r('SA'), r('R')]],
    ['SH', [o('S'), o('FA')]],
    ['SHR', [r('SA'), r('FA')]],
    ['OTH', [o('A'), r('A')]],
  ] as const)('%s', (state, packets) => {
    expect(closedOf(...packets)).toMatchObject([{ state, from: '10.0.0.1:40000' }]);
  });

  it('protocols without a hand-shake: who spoke', () => {
    const q: Packet = { protocol: 17, fromPort: 40_000, toPort: 53 };
    expect(closedOf(q)[0]!.state).toBe('S0');
    expect(closedOf(back(q))[0]!.state).toBe('SHR');
    expect(closedOf(q, back(q))[0]!.state).toBe('SF');
  });
});

describe('the history', () => {
  const o = (flags: string, more: Packet = {}): Packet => ({ ...to, flags, ...more });
  const r = (flags: string, more: Packet = {}): Packet => back(to, { flags, ...more });
  const of = (...packets: Packet[]): string => closedOf(...packets)[0]!.history;
  it.each([
    [
      'a connection as it should be',
      'ShADadFf',
      [
        o('S'),
        r('SA'),
        o('A'),
        o('A', { sequence: 1, payload: 9 }),
        r('A'),
        r('A', { payload: 9 }),
        o('FA', { sequence: 10 }),
        r('FA', { sequence: 9 }),
      ],
    ],
    [
      'each letter once',
      'ShAD',
      [o('S'), r('SA'), o('A'), o('A'), o('A', { sequence: 1, payload: 9 }), o('A', { sequence: 10, payload: 9 })],
    ],
    ['a beginning that was missed', '^d', [r('A', { payload: 5 })]],
    ['refused', 'Sr', [o('S'), r('RA')]],
    [
      'sent again',
      'DT',
      [o('A', { sequence: 5, payload: 5 }), o('A', { sequence: 5, payload: 5 }), o('A', { sequence: 5, payload: 5 })],
    ],
    ['a closed window', 'DWa', [o('A', { sequence: 5, payload: 5, window: 0 }), r('A')]],
    ['impossible flags', 'QI', [o('SF'), o('FR')]],
    [
      'UDP',
      'Dd',
      [o('', { protocol: 17, payload: 4 }), r('', { protocol: 17, payload: 4 }), o('', { protocol: 17, payload: 4 })],
    ],
    ['ICMP has none', '', [{ protocol: 1, icmp: 8 }]],
  ] as const)('of %s is %s', (_what, letters, packets) => {
    expect(of(...packets)).toBe(letters);
  });

  it('counts what repeats at its first, tenth and hundredth time', () => {
    const again = Array.from({ length: 1200 }, (): Packet => o('A', { sequence: 5, payload: 5 }));
    expect(of(...again)).toBe('DTTT');
  });
});

function originOf(batch: unknown): string {
  return (batch as { origin: { file: string } }).origin.file;
}

describe('any packets', () => {
  const address = fc.constantFrom('10.0.0.1', '10.0.0.2', '255.255.255.255', '224.0.0.1', 'fe80::1', 'ff02::1', '::');
  const packet: fc.Arbitrary<Packet> = fc.record({
    at: fc.integer({ min: 0, max: 8000 }),
    from: address,
    to: address,
    fromPort: fc.constantFrom(0, 53, 443, 40_000),
    toPort: fc.constantFrom(0, 53, 443, 40_000),
    protocol: fc.constantFrom(0, 1, 6, 6, 6, 17, 58, 132),
    flags: fc.constantFrom('', 'S', 'SA', 'A', 'FA', 'R', 'SFRPA'),
    sequence: fc.constantFrom(0, 1, 100, 0x7fffffff, 0x80000000, 0xffffffff),
    icmp: fc.constantFrom(0, 3, 8, 128, 129, 134, 255),
    vlan: fc.constantFrom(0, 1),
    payload: fc.oneof(
      fc.integer({ min: 0, max: 40 }),
      fc.uint8Array({ maxLength: 60 }),
      fc.constantFrom(Buffer.from('CONNECT '), Buffer.from('GET \nhost:'), Uint8Array.of(22, 3, 1, 0, 9, 1)),
    ),
    fragment: fc.boolean(),
  });

  it('packets and IP bytes are conserved, payload never grows, no duration is negative', () => {
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 60 }), (packets) => {
        const a = new Assembler().take(...packets);
        const flows = a.closed();
        const sum = (of: (f: (typeof flows)[0]) => [number, number]): number =>
          flows.reduce((total, f) => total + of(f)[0] + of(f)[1], 0);
        const batch = packetBatch(packets);
        expect(sum((f) => f.packets)).toBe(packets.length);
        expect(sum((f) => f.ipBytes)).toBe(batch.ipBytes.reduce((x, y) => x + y, 0));
        expect(sum((f) => f.payload)).toBeLessThanOrEqual(batch.payloadBytes.reduce((x, y) => x + y, 0));
        for (const f of flows) {
          expect(f.lastAt).toBeGreaterThanOrEqual(f.firstAt);
          expect(f.packets[0] + f.packets[1]).toBeGreaterThan(0);
        }
        for (const f of a.rows) expect(Math.min(...f.delta)).toBeGreaterThanOrEqual(0);
        const opened = a.rows.filter((f) => f.phase === FlowPhase.Open).map((f) => f.flow);
        expect(new Set(opened).size).toBe(opened.length);
        expect(opened.sort()).toEqual(flows.map((f) => f.flow).sort());
      }),
      { numRuns: 400, seed: 1 },
    );
  });

  it('the same packets in batches of any size give the same flows', () => {
    fc.assert(
      fc.property(
        fc.array(packet, { minLength: 2, maxLength: 40 }),
        fc.integer({ min: 1, max: 40 }),
        (packets, size) => {
          const run = (step: number): unknown[] => {
            const a = new Assembler();
            for (let i = 0; i < packets.length; i += step)
              a.decoder.decode(packetBatch(packets.slice(i, i + step), i + 1), a.sink);
            return a.closed();
          };
          expect(run(size)).toEqual(run(packets.length));
        },
      ),
      { numRuns: 100, seed: 2 },
    );
  });
});
