import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readPlain } from './plain.ts';
import { Datagram, FlowRecord } from './record.ts';
import { Lack, Row, toFlow } from './row.ts';
import { readTemplate, type Template, TemplateView } from './template.ts';
import { octets, T0 } from './testing.ts';

type Field = readonly [id: number, bytes: number];

/** Source, destination, ports, protocol, packets, octets; then two stamps. */
const ipv4: readonly Field[] = [
  [8, 4],
  [12, 4],
];
const ipv6: readonly Field[] = [
  [27, 16],
  [28, 16],
];
const uptimes: readonly Field[] = [
  [22, 4],
  [21, 4],
];
const millis: readonly Field[] = [
  [152, 8],
  [153, 8],
];
function usual(addresses: readonly Field[], counts: number, stamps: readonly Field[]): Field[] {
  return [...addresses, [7, 2], [11, 2], [4, 1], [2, counts], [1, counts], ...stamps];
}
/** Flags of one octet and of two, reason, direction, version, ICMP, interface; and what no flow needs. */
const more: readonly Field[] = [
  [6, 1],
  [6, 2],
  [136, 1],
  [61, 1],
  [60, 1],
  [32, 2],
  [10, 4],
  [14, 2],
  [5, 1],
  [56, 6],
];

function templateOf(fields: readonly Field[]): Template {
  const b = octets([256, 2], [fields.length, 2], ...fields.flatMap(([id, n]) => [[id, 2] as const, [n, 2] as const]));
  const view = new TemplateView();
  readTemplate(b, 0, b.length, false, false, view);
  return view.template!;
}

const shapes = fc
  .tuple(
    fc.constantFrom(ipv4, ipv6),
    fc.constantFrom(4, 8),
    fc.constantFrom(uptimes, millis),
    fc.uniqueArray(fc.constantFrom(...more), { selector: ([id]) => id }),
  )
  .chain(([addresses, counts, stamps, others]) => {
    const fields = [...usual(addresses, counts, stamps), ...others];
    return fc.shuffledSubarray(fields, { minLength: fields.length });
  });

describe('records of the usual shape', () => {
  it('say what they say where they are read as any other', () => {
    const row = new Row();
    let plainly = 0;
    fc.assert(
      fc.property(
        shapes,
        fc.uint8Array({ minLength: 100, maxLength: 100 }),
        fc.constantFrom(6, 17, 1, 58, 0, 255),
        fc.constantFrom(4, 6),
        fc.constantFrom(-1, 0, 100_000_000, 2 ** 32 - 1),
        (fields, bytes, protocol, ipVersion, uptimeMillis) => {
          const template = templateOf(fields);
          expect(template.plain).toBeDefined();
          let offset = 0;
          for (const [id, length] of fields) {
            if (id === 4) bytes[offset] = protocol;
            if (id === 60) bytes[offset] = ipVersion;
            // Some stamps are of this century, some are not told, others anything.
            const kind = bytes[offset]!;
            if ((id === 152 || id === 153) && kind < 192)
              bytes.set(octets([kind < 32 ? 0 : T0 * 1000 + kind, 8]), offset);
            offset += length;
          }
          const d = new Datagram();
          d.bytes = bytes;
          d.end = bytes.length;
          d.exportAt = T0 * 1e6;
          d.uptimeMillis = uptimeMillis;
          const plain = new FlowRecord();
          plain.isBiflow = true;
          plain.isTotal = true;
          if (!readPlain(template.plain!, 0, d, plain)) return;
          plainly += 1;
          row.clear();
          expect(row.read(bytes, 0, bytes.length, template)).toBe(template.recordBytes);
          const any = new FlowRecord();
          expect(toFlow(row, d, -1, any)).toBe(Lack.Nothing);
          expect(plain).toEqual(any);
        },
      ),
      { seed: 1, numRuns: 10_000 },
    );
    expect(plainly).toBeGreaterThan(2000);
  });

  it('are told from those that have more, less or other to say', () => {
    const shape = usual(ipv4, 4, uptimes);
    expect(templateOf(shape).plain).toBeDefined();
    for (const [name, fields] of Object.entries({
      'a field twice': [...shape, [2, 4] as const],
      'both versions of IP': [...shape, ...ipv6],
      'no octets': shape.filter(([id]) => id !== 1),
      'no end': shape.filter(([id]) => id !== 21),
      'two kinds of stamps': [...shape, ...millis],
      'stamps in seconds': usual(ipv4, 4, [
        [150, 4],
        [151, 4],
      ]),
      'stamps of NTP': usual(ipv4, 4, [
        [154, 8],
        [155, 8],
      ]),
      'counts of three octets': usual(ipv4, 3, uptimes),
      'counts of both directions': [...shape, [231, 4] as const],
      'a firewall’s event': [...shape, [233, 1] as const],
      'a sampling rate': [...shape, [34, 4] as const],
      'a length in the record': [...shape, [82, 65_535] as const],
    }))
      expect(templateOf(fields).plain, name).toBeUndefined();
  });

  it('is left to the other reader where a record has other to say', () => {
    const template = templateOf([...usual(ipv4, 4, uptimes), [60, 1]]);
    const d = new Datagram();
    d.exportAt = T0 * 1e6;
    d.uptimeMillis = 1000;
    const read = (protocol: number, ipVersion: number): boolean => {
      d.bytes = octets([1, 4], [2, 4], [3, 2], [4, 2], [protocol, 1], [1, 4], [40, 4], [5, 4], [6, 4], [ipVersion, 1]);
      return readPlain(template.plain!, 0, d, new FlowRecord());
    };
    expect([read(6, 4), read(1, 4), read(58, 4), read(6, 6)]).toEqual([true, false, false, false]);
    d.uptimeMillis = -1;
    expect(read(6, 4)).toBe(false);
  });
});
