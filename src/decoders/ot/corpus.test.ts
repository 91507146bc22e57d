// Function codes held against tshark's, capture by capture.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { City } from '#city';
import { type EventBatch, OperationProtocol } from '#events';
import { decoders, Engine, Feed } from '#pipeline';
import { Collector } from './testing.ts';

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'flow');
const absent = !existsSync(corpus)
  ? 'the corpus is not there: set PARAPET_CORPUS'
  : spawnSync('tshark', ['-v']).status !== 0
    ? 'tshark is not installed'
    : '';

async function read(file: string): Promise<Collector> {
  const out = new Collector();
  const chain = decoders.filter((d) => ['ip', 'tcp', 'ot'].includes(d.card.name)).map((d) => d.create());
  const engine = new Engine({ city: new City({}, '.'), planes: new Set(), evidenceAll: false, claim: () => {} });
  const sink = {
    emit(b: EventBatch): void {
      for (const d of chain) if (d.card.takes.includes(b.kind)) d.decode(b, sink);
      out.emit(b);
    },
    fault: (code: string): void => void out.faults.push(code),
  };
  const feed = new Feed([join(corpus, file)], engine.faults, false);
  while ((await feed.next(sink)) !== undefined);
  feed.close();
  return out;
}

function tshark(file: string, field: string): number[] {
  const text = execFileSync(
    'tshark',
    ['-n', '-r', join(corpus, file), '-d', 'udp.port==20000,dnp3', '-T', 'fields', '-E', 'occurrence=a', '-e', field],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  return text
    .split(/[\n,]/)
    .filter((x) => x !== '')
    .map(Number);
}

/** What both count alike: codes of the protocol itself, not those that lie above them for other kinds of message. */
const cases: readonly [file: string, protocol: keyof typeof OperationProtocol, field: string, below: number][] = [
  ['suricata/modbus.pcap', 'Modbus', 'modbus.func_code', 256],
  ['ot/icsnpp/modbus_example.pcap', 'Modbus', 'modbus.func_code', 256],
  ['ot/iti/dnp3/full_exchange.pcap', 'Dnp3', 'dnp3.al.func', 256],
  ['ot/iti/dnp3/opendnp3-3/conformance/8.6.5.4/dump.pcap', 'Dnp3', 'dnp3.al.func', 256],
  ['ot/iec104/iec104.pcap', 'Iec104', 'iec60870_asdu.typeid', 256],
  ['ot/iti/IEC60870-5-104/090813_diverse.pcap', 'Iec104', 'iec60870_asdu.typeid', 256],
  ['ot/iti/s7/s7comm_downloading_block_db1.pcap', 'S7', 's7comm.param.func', 256],
  ['ot/iti/s7/wincc_s300_setup-alarm-read-write.pcapng', 'S7', 's7comm.param.func', 256],
  ['ot/iti/BACnet/bacnet_test.pcap', 'Bacnet', 'bacapp.confirmed_service', 256],
  ['ot/iti/openics/EIP-RebootorRestart.pcap', 'Cip', 'cip.sc', 0x10000],
  ['ot/iti/EthernetIP/cip-multiple-1.pcap', 'Cip', 'cip.sc', 0x10000],
  ['suricata/mqtt5-pub-qos1.pcap', 'Mqtt', 'mqtt.msgtype', 256],
];

const sorted = (codes: readonly number[]): number[] => [...codes].sort((a, b) => a - b);

describe.skipIf(absent !== '')(`function codes against tshark${absent === '' ? '' : ` (skipped: ${absent})`}`, () => {
  it.each(cases)('%s: %s', async (file, protocol, field, below) => {
    const { rows } = await read(file);
    const ours = rows.filter((r) => r.protocol === OperationProtocol[protocol] && r.code >= 0 && r.code < below);
    const theirs = tshark(file, field);
    expect(theirs.length).toBeGreaterThan(0);
    expect(sorted(ours.map((r) => r.code))).toEqual(sorted(theirs));
  });

  it('GOOSE: every state number', async () => {
    const file = 'ot/iti/IEC61850/Sample_File_MMS_and_GOOSE.pcap';
    const { rows } = await read(file);
    const goose = rows.filter((r) => r.protocol === OperationProtocol.Goose);
    expect(sorted(goose.map((r) => r.number))).toEqual(sorted(tshark(file, 'goose.stNum')));
  });

  it('frames broken on purpose give faults and no throw', async () => {
    expect((await read('ot/iti/openics/DNP3-Malformed.pcap')).faults.length).toBeGreaterThan(0);
  });
});
