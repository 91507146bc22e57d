// Rows of the table as 'flow' rows.
import { BATCH_ROWS, FlowBatch, FlowPhase, type Origin, type Sink } from '#events';
import { stateOf } from '../flow/state.ts';
import { D, DOUBLES, type Table, W, WORDS } from './table.ts';

export class FlowRows {
  readonly #out = new FlowBatch();

  put(t: Table, row: number, phase: number, origin: Origin, sink: Sink): void {
    const out = this.#out;
    if (out.count >= BATCH_ROWS || out.origin !== origin) this.flush(sink);
    out.origin = origin;
    const i = out.count++;
    const d = DOUBLES * row;
    const w = WORDS * row;
    const { doubles, words } = t;
    out.firstAt[i] = doubles[d + D.FirstAt]!;
    out.lastAt[i] = doubles[d + D.LastAt]!;
    // What is told can't be later than the datagram that told it, whatever the exporter's clock says.
    out.at[i] = Math.min(doubles[d + D.LastAt]!, doubles[d + D.ToldAt]!);
    out.place[i] = doubles[d + D.Place]!;
    out.lastPlace[i] = doubles[d + D.LastPlace]!;
    out.flow[i] = doubles[d + D.Number]!;
    out.phase[i] = phase;
    for (let k = 0; k < 8; k++) out.addresses[8 * i + k] = words[w + W.Addresses + k]!;
    out.originatorPort[i] = words[w + W.Ports]! >>> 16;
    out.responderPort[i] = words[w + W.Ports]! & 0xffff;
    const protocol = words[w + W.Key]! >>> 16;
    out.protocol[i] = protocol;
    out.state[i] = stateOf(words[w + W.Seen]! & 255, protocol);
    out.originatorPackets[i] = doubles[d + D.Packets]!;
    out.responderPackets[i] = doubles[d + D.Packets + 1]!;
    out.originatorIpBytes[i] = doubles[d + D.IpBytes]!;
    out.responderIpBytes[i] = doubles[d + D.IpBytes + 1]!;
    const payload = doubles[d + D.Payload]!;
    const payloadBack = doubles[d + D.Payload + 1]!;
    out.originatorPayloadBytes[i] = payload;
    out.responderPayloadBytes[i] = payloadBack;
    // An opened row says that there is a flow; what it has carried comes in the row after it.
    const isOpen = phase === FlowPhase.Open;
    out.originatorPayloadDelta[i] = isOpen ? 0 : payload - doubles[d + D.PayloadTold]!;
    out.responderPayloadDelta[i] = isOpen ? 0 : payloadBack - doubles[d + D.PayloadTold + 1]!;
    if (!isOpen) {
      doubles[d + D.PayloadTold] = payload;
      doubles[d + D.PayloadTold + 1] = payloadBack;
    }
    out.samplingRate[i] = doubles[d + D.Rate]!;
    out.service[i] = words[w + W.Rest]! >>> 16;
  }

  flush(sink: Sink): void {
    const out = this.#out;
    if (out.count === 0) return;
    // No packet was seen, so nothing is known of what one held.
    for (const column of [
      out.targetPort,
      out.nameBytes,
      out.ja4Bytes,
      out.alpnBytes,
      out.certificateBytes,
      out.historyBytes,
    ])
      column.fill(0, 0, out.count);
    for (const column of [out.nameOffset, out.ja4Offset, out.alpnOffset, out.certificateOffset, out.historyOffset])
      column.fill(0, 0, out.count);
    sink.emit(out);
    out.count = 0;
  }
}
