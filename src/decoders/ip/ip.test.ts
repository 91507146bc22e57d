import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ip } from '#decoders/ip';
import { type EventBatch, FrameBatch, formatAddress, LinkType, type PacketBatch, type Sink } from '#events';
import { fragment, fragments, framesOf, hex, ipv4, ipv6, udp } from './testing.ts';

interface Row {
  from: string;
  to: string;
  ports: [number, number];
  protocol: number;
  payload: string;
  ipBytes: number;
  payloadBytes: number;
  vlan: number;
  fragment: number;
}

function decode(
  bytes: Uint8Array,
  linkType: number,
  wireLength = bytes.length,
): { rows: Row[]; faults: [string, number][] } {
  const frames = new FrameBatch();
  frames.bytes = bytes;
  frames.count = 1;
  frames.place[0] = 1;
  frames.length[0] = bytes.length;
  frames.wireLength[0] = wireLength;
  frames.linkType[0] = linkType;
  const rows: Row[] = [];
  const faults: [string, number][] = [];
  const sink: Sink = {
    emit: (batch: EventBatch) => {
      const p = batch as PacketBatch;
      for (let i = 0; i < p.count; i++) {
        const o = p.payloadOffset[i]!;
        rows.push({
          from: formatAddress(p.addresses, 8 * i),
          to: formatAddress(p.addresses, 8 * i + 4),
          ports: [p.sourcePort[i]!, p.destinationPort[i]!],
          protocol: p.protocol[i]!,
          payload: Buffer.from(p.bytes.subarray(o, o + p.payloadCaptured[i]!)).toString('hex'),
          ipBytes: p.ipBytes[i]!,
          payloadBytes: p.payloadBytes[i]!,
          vlan: p.vlan[i]!,
          fragment: p.fragment[i]!,
        });
      }
    },
    fault: (code, _origin, _place, offset) => void faults.push([code, offset]),
  };
  const decoder = ip.create();
  decoder.decode(frames, sink);
  decoder.end(sink);
  return { rows, faults };
}

const ethernet = '02 00 00 00 00 01 02 00 00 00 00 02';
const udp4 = '45 00 00 20 00 01 00 00 40 11 00 00 0a 00 00 01 08 08 08 08 30 39 00 35 00 0c 00 00 de ad be ef';
const udp6 =
  '60 00 00 00 00 0c 11 40 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02 30 39 00 35 00 0c 00 00 de ad be ef';

describe('ip', () => {
  it('reads UDP over IPv4 over Ethernet', () => {
    expect(decode(hex(`${ethernet} 0800 ${udp4}`), LinkType.Ethernet)).toEqual({
      rows: [
        {
          from: '10.0.0.1',
          to: '8.8.8.8',
          ports: [12345, 53],
          protocol: 17,
          payload: 'deadbeef',
          ipBytes: 32,
          payloadBytes: 4,
          vlan: 0,
          fragment: 0,
        },
      ],
      faults: [],
    });
  });

  it('gives the same packet over VLAN tags, cooked v1, cooked v2, null, loop and raw', () => {
    const plain = decode(hex(udp4), LinkType.Raw).rows[0]!;
    expect(decode(hex(`${ethernet} 8100 0064 0800 ${udp4}`), LinkType.Ethernet).rows).toEqual([
      { ...plain, vlan: 100 },
    ]);
    expect(decode(hex(`${ethernet} 88a8 0007 8100 0064 0800 ${udp4}`), LinkType.Ethernet).rows).toEqual([
      { ...plain, vlan: 7 },
    ]);
    expect(decode(hex(`0000 0001 0006 020000000001 0000 0800 ${udp4}`), LinkType.LinuxSll).rows).toEqual([plain]);
    expect(decode(hex(`0800 0000 00000002 0001 00 06 0200000000010000 ${udp4}`), LinkType.LinuxSll2).rows).toEqual([
      plain,
    ]);
    expect(decode(hex(`02000000 ${udp4}`), LinkType.Null).rows).toEqual([plain]);
    expect(decode(hex(`00000002 ${udp4}`), LinkType.Loop).rows).toEqual([plain]);
  });

  it('reads IPv6, also behind extension headers', () => {
    const { rows } = decode(hex(udp6), LinkType.Raw);
    expect(rows[0]).toMatchObject({
      from: '2001:db8::1',
      to: '2001:db8::2',
      ports: [12345, 53],
      payload: 'deadbeef',
      ipBytes: 52,
    });
    const extended = udp6.replace('00 0c 11', '00 14 00').replace('00 02 30 39', '00 02 11 00 00 00 00 00 00 00 30 39');
    expect(decode(hex(extended), LinkType.Raw).rows[0]).toMatchObject({
      ports: [12345, 53],
      payload: 'deadbeef',
      ipBytes: 60,
    });
  });

  it('Ethernet padding is not payload, and a short snap length hides no length', () => {
    expect(decode(hex(`${ethernet} 0800 ${udp4} ${'00'.repeat(14)}`), LinkType.Ethernet).rows[0]).toMatchObject({
      payload: 'deadbeef',
      payloadBytes: 4,
    });
    const cut = hex(`${ethernet} 0800 ${udp4}`).subarray(0, -2);
    expect(decode(cut, LinkType.Ethernet, 46).rows[0]).toMatchObject({ payload: 'dead', payloadBytes: 4, ipBytes: 32 });
  });

  it('a later fragment is marked and has no ports', () => {
    const later = udp4.replace('00 01 00 00 40', '00 01 00 03 40');
    expect(decode(hex(later), LinkType.Raw).rows[0]).toMatchObject({ fragment: 1, ports: [0, 0], payloadBytes: 12 });
  });

  it.each([
    ['LINK_TRUNCATED', '0200', LinkType.Ethernet],
    ['LINK_TAGS', `${ethernet} ${'8100 0001 '.repeat(9)} 0800 ${udp4}`, LinkType.Ethernet],
    ['IP_VERSION', `${ethernet} 0800 ${udp4.replace('45', '55')}`, LinkType.Ethernet],
    ['IP_LENGTH', udp4.replace('45 00 00 20', '45 00 00 0f'), LinkType.Raw],
    ['IP_LENGTH', udp4.replace('45', '43'), LinkType.Raw],
    ['IP_TRUNCATED', udp4.slice(0, 60), LinkType.Raw],
    ['IP_EXTENSIONS', `60 00 00 00 00 60 00 40 ${'00'.repeat(32)} ${'0000000000000000'.repeat(11)}`, LinkType.Raw],
    ['LINK_TYPE', udp4, 147],
  ])('%s is a fault with its place, and no packet', (code, frame, link) => {
    const { rows, faults } = decode(hex(frame), link);
    expect(rows).toEqual([]);
    expect(faults.map((f) => f[0])).toEqual([code]);
  });

  it('every column of a row is written, whatever stood there before', () => {
    const tcp = hex('30 39 00 35 00000001 00000002 50 18 01 00 00 00 00 00 aa');
    const packets = [
      ipv4(6, tcp),
      ipv4(17, udp(1, 2, hex('aa'))),
      ipv4(1, hex('0800 0000')),
      ipv6(132, new Uint8Array(12)),
      ipv4(47, ipv4(50, hex('aa'))),
      ...fragments(4, 17, udp(1, 2, new Uint8Array(100)), [56]),
      fragment(4, 17, new Uint8Array(8), 80, true, 99),
    ];
    const columns = (before: number): unknown[] => {
      const decoder = ip.create();
      const rows: unknown[] = [];
      const emit = (batch: EventBatch): void => {
        for (const [name, column] of Object.entries(batch)) {
          if (!ArrayBuffer.isView(column) || name === 'bytes') continue;
          rows.push([name, [...(column as Uint8Array).subarray(0, name === 'addresses' ? 8 : 1)]]);
          new Uint8Array(column.buffer).fill(before);
        }
      };
      const sink: Sink = { emit, fault: () => {} };
      for (const packet of packets) decoder.decode(framesOf([packet], LinkType.Raw), sink);
      decoder.end(sink);
      // The first row stands on the columns' own zeros.
      return rows.slice(18);
    };
    expect(columns(0xa5)).toEqual(columns(0x5a));
    expect(columns(0xa5).length).toBeGreaterThan(100);
  });

  it('any bytes on any link: no throw, and every range lies inside the frame', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.constantFrom(...Object.values(LinkType)), (bytes, link) => {
        const frames = new FrameBatch();
        frames.bytes = bytes;
        frames.count = 1;
        frames.length[0] = bytes.length;
        frames.wireLength[0] = bytes.length;
        frames.linkType[0] = link;
        ip.create().decode(frames, {
          emit: (b) => {
            const p = b as PacketBatch;
            expect(p.payloadOffset[0]! + p.payloadCaptured[0]!).toBeLessThanOrEqual(bytes.length);
            expect(p.payloadCaptured[0]).toBeLessThanOrEqual(p.payloadBytes[0]!);
          },
          fault: () => {},
        });
      }),
      { numRuns: 5000, seed: 3 },
    );
  });

  it('10^5 mutations of sound frames: no throw', () => {
    const sound = hex(`${ethernet} 8100 0064 86dd ${udp6}`);
    let state = 12345;
    const random = (n: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % n;
    };
    const frames = new FrameBatch();
    frames.count = 1;
    frames.linkType[0] = LinkType.Ethernet;
    const decoder = ip.create();
    const sink: Sink = { emit: () => {}, fault: () => {} };
    for (let n = 0; n < 100_000; n++) {
      const copy = sound.slice(0, random(4) === 0 ? random(sound.length) : sound.length);
      for (let k = random(4); k >= 0 && copy.length > 0; k--) copy[random(copy.length)] = random(256);
      frames.bytes = copy;
      frames.length[0] = copy.length;
      frames.wireLength[0] = copy.length;
      decoder.decode(frames, sink);
    }
    expect(decoder.shed).toBe(0);
  });
});
