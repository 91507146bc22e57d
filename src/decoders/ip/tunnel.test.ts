import { describe, expect, it } from 'vitest';
import { ip } from '#decoders/ip';
import { LinkType } from '#events';
import { Collector, ethernet, framesOf, hex, ipv4, ipv6, type Row, run, udp } from './testing.ts';

const question = hex('12 34 01 00 00 01 00 00 00 00 00 00 01 61 00 00 01 00 01');
const inner4 = ipv4(17, udp(40000, 53, question), 9, 0, 77, 78);
const inner6 = ipv6(17, udp(40000, 53, question), 77, 78);
const ethernet4 = ethernet(0x0800, inner4);
const plain4 = run([inner4], LinkType.Raw).rows[0]!;
const plain6 = run([inner6], LinkType.Raw).rows[0]!;
const join = (...parts: (string | Uint8Array)[]): Uint8Array =>
  Buffer.concat(parts.map((p) => (typeof p === 'string' ? hex(p) : p)));
const gre = (header: string, payload: Uint8Array): Uint8Array => ipv4(47, join(header, payload));
const over = (port: number, header: string, payload: Uint8Array): Uint8Array =>
  ipv4(17, udp(50000, port, join(header, payload)));

describe('links', () => {
  it.each<[string, number, Uint8Array]>([
    ['PPP, without framing', LinkType.Ppp, join('0021', inner4)],
    ['PPP, with address and control', LinkType.Ppp, join('ff03 0021', inner4)],
    ['PPP, compressed protocol', LinkType.PppHdlc, join('ff03 21', inner4)],
    ['Cisco HDLC', LinkType.CiscoHdlc, join('0f00 0800', inner4)],
    [
      'PPPoE as a link',
      LinkType.PppEther,
      join('11 00 0001', [inner4.length + 2].map((n) => Buffer.from([n >> 8, n]))[0]!, '0021', inner4),
    ],
    ['null, little-endian', LinkType.Null, join('02000000', inner4)],
    ['null, big-endian', LinkType.Null, join('00000002', inner4)],
    ['FDDI', LinkType.Fddi, join('50 020000000001 020000000002 aaaa03 000000 0800', inner4)],
    ['SNAP', LinkType.Ethernet, ethernet(inner4.length + 8, join('aaaa03 000000 0800', inner4))],
    ['PPPoE session', LinkType.Ethernet, ethernet(0x8864, join('11 00 0001 0041 0021', inner4))],
    ['802.1BR E-tag', LinkType.Ethernet, ethernet(0x893f, join('e0000001 0000 0800', inner4))],
    ['VN-tag', LinkType.Ethernet, ethernet(0x8926, join('00000001 0800', inner4))],
    ['802.1ah', LinkType.Ethernet, ethernet(0x88e7, join('00000001', ethernet4))],
    ['MPLS, two labels', LinkType.Ethernet, ethernet(0x8847, join('00010040 00020140', inner4))],
    ['MPLS pseudowire with control word', LinkType.Ethernet, ethernet(0x8848, join('00010140 00000000', ethernet4))],
    ['MPLS pseudowire, bare', LinkType.Ethernet, ethernet(0x8847, join('00010140', ethernet4))],
  ])('%s', (_name, link, frame) => {
    expect(run([frame], link)).toMatchObject({ rows: [{ ...plain4 }], faults: [] });
  });

  it('null: families of IPv6 by system, and others are no IP', () => {
    for (const family of ['0a', '18', '1c', '1e'])
      expect(run([join(`${family}000000`, inner6)], LinkType.Null).rows).toEqual([plain6]);
    expect(run([join('07000000', inner6)], LinkType.Null)).toMatchObject({ rows: [], faults: [] });
  });

  it('three tags: the outer VLAN is told', () => {
    const frame = ethernet(0x9100, join('0007 88a8 0008 8100 0009 0800', inner4));
    expect(run([frame], LinkType.Ethernet).rows).toEqual([{ ...plain4, vlan: 7 }]);
  });

  it('spanning tree, ARP, PPPoE discovery and PPP control are no IP and no fault', () => {
    for (const frame of [
      ethernet(38, hex('424203 0000000000')),
      ethernet(0x0806, hex('0001080006040001')),
      ethernet(0x8863, hex('11090000000401010000')),
      ethernet(0x8864, hex('110000010004c0210901')),
    ])
      expect(run([frame], LinkType.Ethernet)).toMatchObject({ rows: [], faults: [] });
  });

  it('headers that hold themselves end after eight', () => {
    const hdlc = Buffer.concat([...Array.from({ length: 60_000 }, () => hex('0f00880b')), inner4]);
    expect(run([hdlc], LinkType.PppHdlc)).toMatchObject({ rows: [], faults: ['LINK_TAGS'] });
  });
});

describe('tunnels', () => {
  it.each<[string, Uint8Array, Row]>([
    ['IP in IP', ipv4(4, inner4), plain4],
    ['IPv6 in IPv4', ipv4(41, inner6), plain6],
    ['IPv4 in IPv6', ipv6(4, inner4), plain4],
    ['IPv6 in IPv6 behind destination options', ipv6(60, join('2900010400000000', inner6)), plain6],
    ['MPLS in IP', ipv4(137, join('00010140', inner4)), plain4],
    ['GRE', gre('0000 0800', inner4), plain4],
    ['GRE, checksum, key, sequence', gre('b000 86dd 00000000 0000002a 00000001', inner6), plain6],
    ['GRE, routing', gre('4000 0800 00000000 0800 0004 0a000001 0000 0000', inner4), plain4],
    ['GRE, Ethernet', gre('2000 6558 0000002a', ethernet4), plain4],
    ['GRE, MPLS', gre('0000 8847 00010140', inner4), plain4],
    ['ERSPAN I', gre('0000 88be', ethernet4), plain4],
    ['ERSPAN II', gre('1000 88be 00000001 1001000100000000', ethernet4), plain4],
    ['ERSPAN III', gre('1000 22eb 00000001 200100010000000000000000', ethernet4), plain4],
    [
      'ERSPAN III, platform header',
      gre('1000 22eb 00000001 200100010000000000000001 0000000000000000', ethernet4),
      plain4,
    ],
    ['PPTP', gre('3081 880b 00450001 00000001 00000000 ff03 0021', inner4), plain4],
    ['VXLAN', over(4789, '0800000000002a00', ethernet4), plain4],
    ['VXLAN on its old port', over(8472, '0800000000002a00', ethernet4), plain4],
    ['VXLAN, generic extension', over(4790, '0c00000200002a00', inner6), plain6],
    ['Geneve with an option', over(6081, '0200655800002a00 0102800100000001', ethernet4), plain4],
    ['Geneve with IP', over(6081, '0000080000002a00', inner4), plain4],
    ['Teredo', over(3544, '', inner6), plain6],
    [
      'Teredo, authentication and origin',
      over(3544, '0001 00 00 0000000000000000 00 0000 1234 12345678', inner6),
      plain6,
    ],
    ['GTP-U', over(2152, '30ff004700000001', inner4), plain4],
    ['GTP-U, sequence and an extension', over(2152, '36ff004f00000001 0001 00 85 01000000', inner4), plain4],
    ['GRE in UDP', over(4754, '2000080000000001', inner4), plain4],
    ['MPLS in UDP', over(6635, '00010140', inner4), plain4],
  ])('%s', (_name, packet, plain) => {
    expect(run([packet], LinkType.Raw)).toMatchObject({ rows: [{ ...plain }], faults: [] });
  });

  it('the inner packet has the VLAN of the outer one', () => {
    const frame = ethernet(
      0x8100,
      join('0007 0800', over(4789, '0800000000002a00', ethernet(0x8100, join('0009 0800', inner4)))),
    );
    expect(run([frame], LinkType.Ethernet).rows).toEqual([{ ...plain4, vlan: 7 }]);
  });

  it('a packet to a tunnel port that is no tunnel is an ordinary packet, without a fault', () => {
    for (const port of [2152, 3544, 4754, 4789, 4790, 6081, 6635, 8472])
      for (const payload of [
        '',
        '08',
        'deadbeef'.repeat(20),
        '45'.repeat(60),
        '60'.repeat(60),
        '0800000000002a00'.repeat(8),
      ]) {
        const { rows, faults } = run([over(port, payload, new Uint8Array(0))], LinkType.Raw);
        expect(rows).toMatchObject([{ from: '10.0.0.1', ports: [50000, port], payload, vlan: 0 }]);
        expect(faults).toEqual([]);
      }
  });

  it('a length that does not fit into a guessed tunnel is no packet', () => {
    const long = Buffer.from(ethernet4);
    long[16] = 1;
    expect(run([over(4789, '0800000000002a00', long)], LinkType.Raw).rows[0]!.ports).toEqual([50000, 4789]);
  });

  it('a declared tunnel without a sound packet is a row itself, and the fault says why', () => {
    const cut = ipv4(41, inner6.subarray(0, 30));
    expect(run([cut], LinkType.Raw)).toMatchObject({
      rows: [{ protocol: 41, payloadBytes: 30 }],
      faults: ['IP_TRUNCATED'],
    });
    const arp = gre('0000 0806', hex('0001080006040001'));
    expect(run([arp], LinkType.Raw)).toMatchObject({ rows: [{ protocol: 47 }], faults: [] });
  });

  it('eight IP headers are opened, of nine the eighth is the row', () => {
    let packet: Uint8Array = inner4;
    for (let n = 1; n < 8; n++) packet = ipv4(4, packet, 1, 0, n, n);
    expect(run([packet], LinkType.Raw)).toMatchObject({ rows: [{ ...plain4 }], faults: [] });
    const nine = run([ipv4(4, packet, 1, 0, 99, 99)], LinkType.Raw);
    expect(nine).toMatchObject({ rows: [{ from: '10.0.0.1', protocol: 4 }], faults: ['LINK_NESTING'] });
  });

  it('zeek/zeek#2500: one packet that loops through a tunnel is read once, and each frame gives one row', () => {
    const frames: Uint8Array[] = [];
    let packet: Uint8Array = inner4;
    for (let round = 0; round < 200; round++) {
      packet = gre('0000 0800', packet);
      frames.push(packet);
    }
    const { rows, faults } = run(frames, LinkType.Raw);
    expect(rows).toHaveLength(200);
    expect(rows.filter((r) => r.ports[1] === 53)).toEqual([{ ...plain4, place: 1, at: 0 }]);
    expect(faults).toEqual(Array(199).fill('LINK_NESTING'));
  });

  it('two kinds of tunnel between the same hosts are no loop', () => {
    const two = over(6081, '0000080000002a00', over(4789, '0800000000002a00', ethernet4));
    expect(run([two], LinkType.Raw)).toMatchObject({ rows: [{ ...plain4 }], faults: [] });
  });

  it('10^4 mutations of tunnels: no throw, ranges inside, one row a frame at the most', () => {
    const seeds = [
      ethernet(0x8864, join('11 00 0001 0041 0021', inner4)),
      ethernet(0x8847, join('00010040 00020140 00000000', ethernet4)),
      ...[
        gre('f000 0800 00000000 00000001 00000001 0800 0004 0a000001 0000 0000', inner4),
        gre('1000 22eb 00000001 200100010000000000000001 0000000000000000', ethernet4),
        gre('3081 880b 00450001 00000001 00000000 ff03 0021', inner4),
        over(6081, '0000080000002a00', over(4789, '0800000000002a00', ethernet4)),
        over(3544, '0001 00 00 0000000000000000 00 0000 1234 12345678', inner6),
        over(2152, '36ff004f00000001 0001 00 85 01000000', inner4),
        ipv4(4, ipv6(41, ipv6(4, gre('0000 6558', ethernet4)))),
      ].map((packet) => ethernet(0x0800, packet)),
    ];
    let state = 4711;
    const random = (n: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % n;
    };
    const decoder = ip.create();
    let inner = 0;
    for (let n = 0; n < 10_000; n++) {
      const seed = seeds[n % seeds.length]!;
      const copy = new Uint8Array(seed.subarray(0, random(4) === 0 ? random(seed.length) : seed.length));
      for (let k = random(4); k >= 0 && copy.length > 0; k--) copy[random(copy.length)] = random(256);
      const collector = new Collector();
      decoder.decode(framesOf([copy], LinkType.Ethernet), collector);
      expect(collector.broken).toBe(false);
      expect(collector.rows.filter((r) => r.place === 1).length).toBeLessThanOrEqual(1);
      inner += collector.rows.filter((r) => r.ports[1] === 53).length;
    }
    decoder.end(new Collector());
    expect(inner).toBeGreaterThan(2000);
  });
});
