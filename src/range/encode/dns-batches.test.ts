// Columns rendered straight from exchanges against what the DNS decoder makes of the same messages: two codes, one answer.
import { describe, expect, test } from 'vitest';
import { dns } from '#decoders/dns';
import { type DnsBatch, type EventBatch, PacketBatch, type Sink } from '#events';
import { seededRandom } from '#lib/random';
import { dnsCast } from '../attackers/dns-cast.ts';
import { DnsWorld, MergedSource, resolverIp } from '../worlds/dns/index.ts';
import { renderDnsBatches } from './dns-batches.ts';

const columns = [
  'at',
  'place',
  'clientHash',
  'clientPort',
  'serverPort',
  'id',
  'isResponse',
  'opcode',
  'rcode',
  'qtype',
  'qclass',
  'transport',
  'flags',
  'dnssecOk',
  'foreign',
  'nameBytes',
  'nameHash',
  'labelCount',
  'messageBytes',
  'answerCount',
  'answerDataBytes',
  'answerType',
  'answerTtlSeconds',
  'answerAddressCount',
  'wireBytes',
] as const;

/** The messages of a batch as packets, with their sides as on the wire. */
function packetsOf(batch: DnsBatch): PacketBatch {
  const packets = new PacketBatch();
  packets.origin = batch.origin;
  packets.bytes = batch.wire;
  packets.count = batch.count;
  for (let i = 0; i < batch.count; i++) {
    const answered = batch.isResponse[i] === 1;
    packets.at[i] = batch.at[i]!;
    packets.place[i] = batch.place[i]!;
    packets.protocol[i] = 17;
    packets.sourcePort[i] = answered ? 53 : batch.clientPort[i]!;
    packets.destinationPort[i] = answered ? batch.clientPort[i]! : 53;
    packets.payloadOffset[i] = batch.wireOffset[i]!;
    packets.payloadCaptured[i] = batch.wireBytes[i]!;
    packets.payloadBytes[i] = batch.wireBytes[i]!;
    for (let k = 0; k < 8; k++) packets.addresses[8 * i + k] = batch.addresses[8 * i + (answered ? (k + 4) % 8 : k)]!;
  }
  return packets;
}

describe('columns from exchanges', () => {
  test('are those that the decoder reads from the messages, column by column', () => {
    const world = new DnsWorld({ seed: 5, clients: 60, days: 1, startMicros: Date.UTC(2026, 2, 2) * 1000 });
    const attacks = dnsCast({
      random: seededRandom(5),
      clients: world.clients,
      resolver: resolverIp,
      fromMicros: world.startMicros,
      untilMicros: world.untilMicros,
    });
    const decoder = dns.create();
    const faults: string[] = [];
    const differs = new Map<string, number>();
    const note = (what: string): void => void differs.set(what, (differs.get(what) ?? 0) + 1);
    let rows = 0;
    const given = renderDnsBatches(new MergedSource([world, ...attacks.map((a) => a.attack.source)]), (ours) => {
      let row = 0;
      const compare = (theirs: DnsBatch): void => {
        for (let i = 0; i < theirs.count; i++, row++, rows++) {
          for (const column of columns) if (theirs[column][i] !== ours[column][row]) note(column);
          const at = theirs.answerAddressOffset[i]!;
          const from = ours.answerAddressOffset[row]!;
          for (let k = 0; k < 4 * ours.answerAddressCount[row]!; k++)
            if (theirs.answerAddresses[at + k] !== ours.answerAddresses[from + k]) note('answerAddresses');
        }
      };
      const sink: Sink = {
        emit: (batch: EventBatch) => {
          if (batch.kind === 'dns') compare(batch);
        },
        fault: (code: string) => void faults.push(code),
      };
      decoder.decode(packetsOf(ours), sink);
    });
    expect(Object.fromEntries(differs)).toEqual({});
    expect(faults).toEqual([]);
    expect(rows).toBe(given);
  });
});
