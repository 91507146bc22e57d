import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MALFORMED, OperationAct, OperationProtocol, OperationRole } from '#events';
import { ot } from './index.ts';
import { Collector, chunk, frame, hex, packet } from './testing.ts';

const { Request, Response, Unsolicited } = OperationRole;

function run(...batches: Parameters<ReturnType<typeof ot.create>['decode']>[0][]) {
  const out = new Collector();
  const decoder = ot.create();
  for (const b of batches) decoder.decode(b, out);
  decoder.end(out);
  return out;
}
const up = (bytes: number[], port: number, more = {}) => chunk(bytes, port, more);
const down = (bytes: number[], port: number, more = {}) => chunk(bytes, port, { fromClient: false, ...more });

const write = hex('0001 0000 0006 11 06 0001 0003');
const exception = hex('0001 0000 0003 11 86 02');
/** Read of class data and its frame, from IEEE 1815's public examples of framing; CRCs by an independent bitwise routine. */
function dnp3(user: number[], destination = 4, source = 3): number[] {
  const crc = (data: number[]): number[] => {
    let r = 0;
    for (const x of data) for (let k = 0; k < 8; k++) r = ((r ^ (x >> k)) & 1) === 1 ? (r >> 1) ^ 0xa6bc : r >> 1;
    const c = ~r & 0xffff;
    return [c & 255, c >> 8];
  };
  const head = [5, 0x64, 5 + user.length, 0xc4, destination & 255, destination >> 8, source & 255, source >> 8];
  const out = [...head, ...crc(head)];
  for (let i = 0; i < user.length; i += 16) out.push(...user.slice(i, i + 16), ...crc(user.slice(i, i + 16)));
  return out;
}

describe('Modbus', () => {
  it('a write, its exception, unit and register', () => {
    const { rows, faults } = run(up(write, 502), down(exception, 502));
    expect(faults).toEqual([]);
    expect(rows).toMatchObject([
      {
        protocol: OperationProtocol.Modbus,
        act: OperationAct.Write,
        role: Request,
        code: 6,
        unit: 17,
        number: 1,
        client: '10.0.0.1',
        server: '10.0.0.2',
      },
      { role: Response, code: 6, status: 2 },
    ]);
  });
  it('any cut of the stream gives the same rows, and several messages in a chunk', () => {
    const bytes = [...write, ...write, ...write];
    for (let cut = 0; cut <= bytes.length; cut++)
      expect(run(up(bytes.slice(0, cut), 502), up(bytes.slice(cut), 502)).rows, `cut ${cut}`).toHaveLength(3);
  });
  it('public fault 25: a session whose first packet comes from the server', () => {
    // As decoders/tcp tells it without a SYN, and turned round as a reader of ports may see it.
    const { rows } = run(down(exception, 502), up(write, 502));
    expect(rows.map((r) => [r.role, r.client, r.serverPort])).toEqual([
      [Response, '10.0.0.1', 502],
      [Request, '10.0.0.1', 502],
    ]);
    const turned = chunk(exception, 40_000, { clientPort: 502, fromClient: true });
    expect(run(turned).rows[0]).toMatchObject({
      role: Response,
      client: '10.0.0.2',
      server: '10.0.0.1',
      serverPort: 502,
    });
  });
  it('one port with another protocol gives a fault and no row; the next Modbus is read', () => {
    const { rows, faults } = run(up([...Buffer.from('GET / HTTP/1.1\r\n\r\n')], 502), up(write, 502));
    expect(faults).toEqual(['OT_LOST']);
    expect(rows).toHaveLength(1);
  });
});

describe('DNP3', () => {
  const operate = [0xc0, 0xc3, 0x05, 0x0c, 0x01, 0x17, 0x01, 0x0a, 0x41, 0x01, 0, 0, 0, 0, 0, 0, 0, 0];
  it('a direct operate over TCP and over UDP', () => {
    for (const b of [up(dnp3(operate), 20_000), packet(dnp3(operate), 17, 30_000, 20_000)])
      expect(run(b).rows).toMatchObject([
        { protocol: OperationProtocol.Dnp3, act: OperationAct.Command, code: 5, unit: 4, number: 0x0c01 },
      ]);
  });
  it('several frames in a segment, one fragment over several frames and segments', () => {
    const parts = [dnp3([0x40, 0xc3, 0x02, 0x50, 0x01]), dnp3([0x81, 0, 7, 7, 0])];
    expect(run(up([...parts[0]!, ...parts[1]!], 20_000)).rows).toMatchObject([{ code: 2 }]);
    expect(
      run(up(parts[0]!.slice(0, 7), 20_000), up([...parts[0]!.slice(7), ...parts[1]!], 20_000)).rows,
    ).toMatchObject([{ code: 2 }]);
    expect(run(up([...dnp3(operate), ...dnp3(operate)], 20_000)).rows).toHaveLength(2);
  });
  it('a wrong checksum is a fault, in the header and in a block; the next frame is read', () => {
    for (const at of [3, 12]) {
      const bad = dnp3(operate);
      bad[at]! ^= 1;
      const { rows, faults } = run(up([...bad, ...dnp3(operate)], 20_000));
      expect(faults).toContain('DNP3_CRC');
      expect(rows).toMatchObject([{ code: MALFORMED, role: Request, client: '10.0.0.1' }, { code: 5 }]);
    }
  });
  it('a function that there is not is a broken message', () => {
    const { rows, faults } = run(up(dnp3([0xc0, 0xc1, 0x70]), 20_000));
    expect(rows).toMatchObject([{ code: MALFORMED, role: Request }]);
    expect(faults).toEqual(['DNP3_FUNCTION']);
  });
  it('an outstation that speaks first is the server, whoever sent the SYN', () => {
    const { rows } = run(up(dnp3([0xc0, 0xf0, 130, 0, 4, 1, 2], 3, 4), 20_000));
    expect(rows).toMatchObject([{ role: Unsolicited, client: '10.0.0.2', server: '10.0.0.1', unit: 4, status: 4 }]);
  });
});

describe('other protocols', () => {
  it('IEC 104: a single command, its refusal, several APDUs in a segment; U frames', () => {
    const command = hex('68 0e 0000 0000 2d 01 06 00 0a00 0c0000 01');
    const refused = hex('68 0e 0000 0000 2d 01 47 00 0a00 0c0000 01');
    const { rows } = run(up([...hex('680407000000'), ...command], 2404), down(refused, 2404));
    expect(rows).toMatchObject([
      { code: 256 + 7, act: OperationAct.Other },
      { code: 45, act: OperationAct.Command, role: Request, unit: 10, number: 12 },
      { code: 45, role: Response, status: 7 },
    ]);
  });
  it('S7: stop of a controller; S7 plus is recognised', () => {
    const stop = hex('03000021 02f080 32010000 0000 0010 0000 29 0000000000 09 505f50524f4752414d');
    expect(run(up(stop, 102)).rows).toMatchObject([
      { protocol: OperationProtocol.S7, act: OperationAct.Engineering, code: 0x29, object: 'P_PROGRAM' },
    ]);
    const plus = hex('03000018 02f080 7202000b 31 0000 0542 0000 0001 00000000');
    expect(run(up(plus, 102)).rows).toMatchObject([
      { protocol: OperationProtocol.S7Plus, act: OperationAct.Write, code: 0x542 },
    ]);
  });
  it('MMS: a write to an Oper structure is a command, and names it', () => {
    const item = Buffer.from('CSWI1$CO$Pos$Oper');
    const domain = Buffer.from('LD0');
    const tlv = (tag: number, ...inside: number[][]): number[] => {
      const flat = inside.flat();
      return [tag, flat.length, ...flat];
    };
    const name = tlv(0xa0, tlv(0x30, tlv(0xa0, tlv(0xa1, tlv(0x1a, [...domain]), tlv(0x1a, [...item])))));
    const mms = tlv(0xa0, [2, 1, 7], tlv(0xa5, name, tlv(0xa0, [0x83, 1, 1])));
    const unit = [1, 0, 1, 0, ...tlv(0x61, tlv(0x30, [2, 1, 3], tlv(0xa0, mms)))];
    const bytes = [3, 0, 0, 7 + unit.length, 2, 0xf0, 0x80, ...unit];
    expect(run(up(bytes, 102)).rows).toMatchObject([
      { protocol: OperationProtocol.Mms, act: OperationAct.Command, code: 5, object: 'LD0/CSWI1$CO$Pos$Oper' },
    ]);
    // The same in two COTP units.
    const cut = 11;
    const two = [
      3,
      0,
      0,
      7 + cut,
      2,
      0xf0,
      0,
      ...unit.slice(0, cut),
      3,
      0,
      0,
      7 + unit.length - cut,
      2,
      0xf0,
      0x80,
      ...unit.slice(cut),
    ];
    expect(run(up(two, 102)).rows).toMatchObject([{ code: 5, object: 'LD0/CSWI1$CO$Pos$Oper' }]);
  });
  it('GOOSE from an Ethernet frame with a VLAN tag: state, sequence, control block, MAC', () => {
    const pdu = hex('80 03 414243 85 01 07 86 02 0102');
    const apdu = [0x61, pdu.length, ...pdu];
    const bytes = [...hex('010ccd010001 00a0f4084b1d 8100 8001 88b8 1001'), 0, 8 + apdu.length, 0, 0, 0, 0, ...apdu];
    expect(run(frame(bytes)).rows).toMatchObject([
      {
        protocol: OperationProtocol.Goose,
        number: 7,
        count: 258,
        object: 'ABC',
        unit: 0x1001,
        client: 'fe80::2a0:f4ff:fe08:4b1d',
      },
    ]);
  });
  it('PROFINET DCP: a name and an address are set, a lamp blinks, the answer has the ends turned', () => {
    const ends = hex('000c29000001 00a0f4084b1d');
    const dcp = (type: number, blocks: string, service = '04') => {
      const b = hex(blocks);
      return frame([
        ...ends,
        ...hex(`8892 fefd ${service} 0${type} 01000001 0000`),
        b.length >> 8,
        b.length & 255,
        ...b,
      ]);
    };
    const Engineering = OperationAct.Engineering;
    const { rows, faults } = run(dcp(0, '0202 0005 0000 706c63 00 0102 000e 0001 c0a80005 ffffff00 00000000'));
    expect(faults).toEqual([]);
    const ours = { protocol: OperationProtocol.Profinet, role: Request, act: Engineering };
    expect(rows).toMatchObject([
      { ...ours, code: 0x10202, object: 'plc', client: 'fe80::2a0:f4ff:fe08:4b1d', server: 'fe80::20c:29ff:fe00:1' },
      { ...ours, code: 0x10102, object: '192.168.0.5' },
    ]);
    expect(run(dcp(0, '0503 0004 0000 0100')).rows).toMatchObject([{ act: OperationAct.Other, code: 0x10503 }]);
    expect(run(dcp(0, '0506 0002 0004')).rows).toMatchObject([{ act: Engineering, code: 0x10506 }]);
    expect(run(dcp(1, '0504 0003 0202 00 00')).rows).toMatchObject([
      { role: Response, code: 4, status: 0, client: 'fe80::20c:29ff:fe00:1' },
    ]);
    // A block longer than the message is the sender's doing.
    expect(run(dcp(0, '0202 00ff 0000 70')).rows).toMatchObject([{ code: MALFORMED }]);
    expect(run(frame([...ends, ...hex('8892 8000 00010203')])).rows).toEqual([]);
  });
  it('BACnet: reinitialise device, and who asks by the kind of APDU', () => {
    const ask = hex('810a000c 0104 0005 01 14 0900');
    expect(run(packet(ask, 17, 47_808, 47_808)).rows).toMatchObject([
      { act: OperationAct.Engineering, code: 20, client: '10.0.0.1' },
    ]);
    const ack = hex('810a0009 0100 20 01 14');
    expect(run(packet(ack, 17, 47_808, 47_808)).rows).toMatchObject([{ role: Response, code: 20, client: '10.0.0.2' }]);
  });
  it('CIP: stop of the identity object, wrapped in an unconnected send', () => {
    const inner = hex('07 02 20 01 24 01');
    const send = [...hex('52 02 20 06 24 01 0a 0e'), inner.length, 0, ...inner, 1, 0, 1, 0];
    const item = [...hex('00000000 0000 0200 0000 0000 b200'), send.length, 0, ...send];
    const bytes = [...hex('6f00'), item.length, 0, ...new Array<number>(20).fill(0), ...item];
    expect(run(up(bytes, 44_818)).rows).toMatchObject([
      { code: 0x52 },
      { code: 7, act: OperationAct.Engineering, number: 1 },
    ]);
  });
  const cip = (inner: number[]) => {
    const item = [...hex('00000000 0000 0200 0000 0000 b200'), inner.length, 0, ...inner];
    return up([...hex('6f00'), item.length, 0, ...new Array<number>(20).fill(0), ...item], 44_818);
  };
  it('CIP: data is written, but the clock, the address, a routine and firmware are engineering', () => {
    const { Write, Engineering, Read } = OperationAct;
    for (const [inner, act] of [
      ['10 03 20 64 24 01 30 01 00', Write],
      ['04 02 20 8b 24 01 0100 0600', Engineering],
      ['10 03 20 f5 24 01 30 05 00', Engineering],
      ['50 02 20 6a 24 01 0000', Engineering],
      ['4c 02 20 37 24 01 0000', Engineering],
      ['4c 02 20 72 24 01 0000', Read],
    ] as const)
      expect(run(cip(hex(inner))).rows, inner).toMatchObject([{ act }]);
  });
  it('PCCC: typed writes of data and of the clock file, mode, unprotected write', () => {
    const { Write, Engineering, Read } = OperationAct;
    for (const [command, act, code] of [
      ['0f 00 0001 aa 02 07 89 00 00 0001', Write, 0x20faa],
      ['0f 00 0001 aa 02 0c e4 00 00 0001', Engineering, 0x20faa],
      ['0f 00 0001 aa 02 ff0001 84 00 00 0001', Engineering, 0x20faa],
      ['0f 00 0001 80 06', Engineering, 0x20f80],
      ['0f 00 0001 a2 02 0c e4 00 00', Read, 0x20fa2],
      ['07 00 0001 00', Engineering, 0x20700],
      ['08 00 0001 0000 00', Write, 0x20800],
    ] as const)
      expect(run(cip(hex(`4b 02 20 67 24 01 07 4d00 00000001 ${command}`))).rows, command).toMatchObject([
        { code: 0x4b },
        { act, code },
      ]);
  });
  it('OPC UA: a write request; MQTT: CONNECT with a user, PUBLISH with its topic', () => {
    const msg = [...Buffer.from('MSGF'), 28, 0, 0, 0, ...new Array<number>(16).fill(1), 1, 0, 0xa1, 0x02];
    expect(run(up(msg, 4840)).rows).toMatchObject([{ code: 673, act: OperationAct.Write }]);
    const connect = hex('10 14 0004 4d515454 04 82 003c 0001 61 0003 626f62 0000');
    const publish = hex('30 05 0003 612f62');
    expect(run(up([...connect, ...publish], 1883)).rows).toMatchObject([
      { code: 1, act: OperationAct.Login, user: 'bob' },
      { code: 3, act: OperationAct.Write, object: 'a/b' },
    ]);
  });
});

describe('bounds', () => {
  it('ten thousand mutations of messages of all protocols: no throw, faults and rows stay finite', () => {
    const seeds: [number, number[]][] = [
      [502, write],
      [20_000, dnp3([0x40, 0xc3, 0x02, 0x50, 0x01])],
      [2404, hex('68 0e 0000 0000 2d 01 06 00 0a00 0c0000 01')],
      [102, hex('03000021 02f080 32010000 0000 0010 0000 29 0000000000 09 505f50524f4752414d')],
      [102, hex('0300001e 02f080 01000100 6115 3013 020103 a00e a00c 020107 a507 a005 3003 a001 00')],
      [44_818, hex('6f00 1000 00000000 00000000 0000000000000000 00000000 00000000 0000 0200 0000 0000 b200 0000')],
      [4840, [...Buffer.from('MSGF'), 28, 0, 0, 0, ...new Array<number>(16).fill(1), 1, 0, 0xa1, 2]],
      [1883, hex('10 14 0004 4d515454 05 82 003c 0001 61 0003 626f62 0000')],
    ];
    const decoder = ot.create();
    const out = new Collector();
    let n = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.array(fc.tuple(fc.nat(70), fc.nat(255)), { maxLength: 6 }),
        fc.nat(80),
        fc.boolean(),
        fc.nat(3),
        ([port, seed], changes, cut, fromClient, gap) => {
          const bytes = [...seed];
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          const at = cut % (bytes.length + 1);
          const connection = 1 + (++n % 500);
          decoder.decode(chunk(bytes.slice(0, at), port, { connection, fromClient }), out);
          decoder.decode(chunk(bytes.slice(at), port, { connection, fromClient, gapBytes: gap }), out);
          decoder.decode(packet(bytes, 17, 9, [502, 20_000, 44_818, 47_808][n % 4]!), out);
          decoder.decode(frame(bytes.length < 16 ? [...bytes, ...bytes, ...bytes] : bytes), out);
        },
      ),
      { numRuns: 10_000, seed: 1 },
    );
    expect(out.rows.length).toBeGreaterThan(1000);
    for (const r of out.rows) expect(r.code).toBeGreaterThanOrEqual(MALFORMED);
  });
  it('messages under way are bounded, and what goes is counted', () => {
    const decoder = ot.create() as ReturnType<typeof ot.create> & { held: number };
    const out = new Collector();
    for (let n = 1; n <= 6000; n++) decoder.decode(up(write.slice(0, 9), 502, { connection: n }), out);
    for (let n = 1; n <= 3000; n++) decoder.decode(up(dnp3([0x40, 0xc3, 2, 80, 1]), 20_000, { connection: n }), out);
    expect(decoder.held).toBeLessThanOrEqual(4096 + 1024);
    expect(decoder.shed).toBe(6000 - 4096 + 3000 - 1024);
  });
});
