// Signalling speed: MAP over M3UA and Diameter over SCTP through the decoders and the detector, in memory, and tshark with the
// fields a peer would print on the same packets as a file, by CPU seconds. The packets are made here.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { City } from '#city';
import { diameter } from '#decoders/diameter';
import { ip } from '#decoders/ip';
import { m3ua } from '#decoders/m3ua';
import { map } from '#decoders/map';
import { sccp } from '#decoders/sccp';
import { sctp } from '#decoders/sctp';
import { signalling } from '#detectors/signalling';
import { BATCH_ROWS, type EventBatch, FrameBatch, type Sink } from '#events';
import * as w from '../test/signalling-wire.ts';

const DIALOGUES = 50_000;
const city = new City(
  {
    signalling: {
      plmn: ['00101'],
      gtPrefixes: ['99970'],
      realms: ['epc.mnc001.mcc001.3gppnetwork.org'],
      partners: [{ gtPrefixes: ['33689'], realms: ['epc.mnc010.mcc208.3gppnetwork.org'] }],
    },
  },
  '.',
);

/** Request and answer, one packet each. */
function mapPackets(): Buffer[] {
  const hlr = w.party('99970000001', 6);
  const vlr = w.party('33689000001', 7);
  const out: Buffer[] = [];
  for (let i = 0; i < DIALOGUES; i++) {
    const tid = [i >> 24, (i >> 16) & 255, (i >> 8) & 255, i & 255];
    const imsi = `00101${String(i % 10_000).padStart(10, '0')}`;
    const argument = w.tlv(
      0x30,
      w.tlv(4, w.imsi(imsi)),
      w.tlv(0x81, w.isdn('33689000001')),
      w.tlv(4, w.isdn('33689000001')),
    );
    const ask = w.udt(hlr, vlr, w.begin(tid, w.context(1, 3), w.invoke(1, 2, argument)));
    const say = w.udt(vlr, hlr, w.ends(tid, w.result(1, 2, w.tlv(0x30, w.tlv(4, w.isdn('99970000001'))))));
    out.push(w.sctpPacket('192.0.2.1', '192.0.2.2', 2905, w.chunk(i, 3, w.m3uaData(ask))));
    out.push(w.sctpPacket('192.0.2.2', '192.0.2.1', 2905, w.chunk(i, 3, w.m3uaData(say))));
  }
  return out;
}

function diameterPackets(): Buffer[] {
  const out: Buffer[] = [];
  const from = [
    w.avp(264, 'mme01.epc.mnc010.mcc208.3gppnetwork.org'),
    w.avp(296, 'epc.mnc010.mcc208.3gppnetwork.org'),
    w.avp(283, 'epc.mnc001.mcc001.3gppnetwork.org'),
  ];
  const back = [
    w.avp(268, [0, 0, 7, 0xd1]),
    w.avp(264, 'hss.epc.mnc001.mcc001.3gppnetwork.org'),
    w.avp(296, 'epc.mnc001.mcc001.3gppnetwork.org'),
  ];
  for (let i = 0; i < DIALOGUES; i++) {
    const session = w.avp(263, `mme01;1;${i}`);
    const user = w.avp(1, `00101${String(i % 10_000).padStart(10, '0')}`);
    const ask = w.diameterMessage(
      true,
      316,
      16777251,
      i,
      session,
      ...from,
      user,
      w.avp(1407, [0x02, 0xf8, 0x01], 10415),
      w.avp(1405, [0, 0, 0, 34], 10415),
    );
    const say = w.diameterMessage(false, 316, 16777251, i, session, ...back);
    out.push(w.sctpPacket('192.0.2.1', '192.0.2.2', 3868, w.chunk(i, 46, ask)));
    out.push(w.sctpPacket('192.0.2.2', '192.0.2.1', 3868, w.chunk(i, 46, say)));
  }
  return out;
}

/** CPU seconds for all packets through decoders and detector. */
function ours(packets: readonly Buffer[]): number {
  const decoders = [ip, sctp, m3ua, sccp, map, diameter].map((k) => k.create());
  const detector = signalling.create({ city, evidenceAll: false, claim: () => {}, cover: () => {} });
  let records = 0;
  const sink: Sink = {
    emit(batch: EventBatch): void {
      for (const d of decoders) if (d.card.takes.includes(batch.kind)) d.decode(batch, sink);
      if (batch.kind === 'signalling') {
        records += batch.records.length;
        detector.observe(batch);
      }
    },
    fault: () => {},
  };
  const frames = new FrameBatch();
  frames.origin = { file: 'bench', placed: 'frame' };
  const started = process.cpuUsage();
  for (let from = 0; from < packets.length; from += BATCH_ROWS) {
    const part = packets.slice(from, from + BATCH_ROWS);
    frames.bytes = Buffer.concat(part);
    frames.count = part.length;
    let offset = 0;
    for (const [i, p] of part.entries()) {
      frames.at[i] = 1e15 + (from + i) * 100;
      frames.place[i] = from + i + 1;
      frames.offset[i] = offset;
      frames.length[i] = p.length;
      frames.wireLength[i] = p.length;
      frames.linkType[i] = 1;
      offset += p.length;
    }
    sink.emit(frames);
  }
  const used = process.cpuUsage(started);
  if (records !== packets.length) throw new Error(`expected ${packets.length} records, got ${records}`);
  return (used.user + used.system) / 1e6;
}

function tshark(packets: readonly Buffer[], dir: string, fields: readonly string[]): number | undefined {
  const path = join(dir, 'a.pcap');
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65535, 16);
  header.writeUInt32LE(1, 20);
  const parts: Buffer[] = [header];
  for (const [i, p] of packets.entries()) {
    const head = Buffer.alloc(16);
    head.writeUInt32LE(1_700_000_000 + Math.floor(i / 10_000), 0);
    head.writeUInt32LE((i % 10_000) * 100, 4);
    head.writeUInt32LE(p.length, 8);
    head.writeUInt32LE(p.length, 12);
    parts.push(head, p);
  }
  writeFileSync(path, Buffer.concat(parts));
  const words = fields.flatMap((f) => ['-e', f]);
  const run = spawnSync(
    'bash',
    [
      '-c',
      'TIMEFORMAT="%U %S"; time tshark "$@" >/dev/null',
      'bash',
      '-r',
      path,
      '-o',
      'sctp.tsn_analysis:FALSE',
      '-T',
      'fields',
      ...words,
    ],
    { encoding: 'utf8', timeout: 60_000 },
  );
  const seconds = /([\d.]+) ([\d.]+)\s*$/.exec(run.stderr);
  return run.status !== 0 || seconds === null ? undefined : Number(seconds[1]) + Number(seconds[2]);
}

export async function bench(): Promise<Array<{ name: string; value: number; unit: string; goal?: string }>> {
  const dir = mkdtempSync(join(tmpdir(), 'parapet-bench-'));
  const out: Array<{ name: string; value: number; unit: string; goal?: string }> = [];
  try {
    for (const [name, packets, fields] of [
      ['MAP over M3UA', mapPackets(), ['gsm_old.localValue', 'e164.msisdn', 'sccp.calling.digits']],
      ['Diameter over SCTP', diameterPackets(), ['diameter.cmd.code', 'diameter.User-Name', 'diameter.Origin-Realm']],
    ] as const) {
      let best = Number.POSITIVE_INFINITY;
      for (let round = 0; round < 3; round++) best = Math.min(best, ours(packets));
      out.push({
        name: `${name}, decode and judge`,
        value: Math.round(packets.length / best),
        unit: 'messages/s (CPU)',
      });
      const peer = tshark(packets, dir, fields);
      if (peer === undefined) continue;
      out.push({ name: `${name}, tshark`, value: Math.round(packets.length / peer), unit: 'messages/s (CPU)' });
      out.push({
        name: `${name}, ours against tshark`,
        value: Math.round((10 * peer) / best) / 10,
        unit: 'times',
        goal: '>= 5',
      });
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return out;
}
