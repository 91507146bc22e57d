// Export datagrams as 'packet' rows: what a capture on the collector's wire would have given for them, without the frames.
// `parts` 0 says that no packet was seen, so that nobody counts one.
import { BATCH_ROWS, type Origin, PacketBatch } from '#events';
import { parseAddress } from '#lib/address';

const UDP = 17;

export class Rows {
  readonly batch = new PacketBatch();

  constructor(origin: Origin) {
    this.batch.origin = origin;
    this.clear();
  }

  get isFull(): boolean {
    return this.batch.count >= BATCH_ROWS;
  }

  clear(): void {
    const b = this.batch;
    b.count = 0;
    // The pipeline's tests overwrite what they were lent.
    b.protocol.fill(UDP);
    b.parts.fill(0);
    b.fragment.fill(0);
    b.vlan.fill(0);
    b.icmp.fill(0);
    b.tcpFlags.fill(0);
    b.tcpSequence.fill(0);
    b.tcpAcknowledgement.fill(0);
    b.tcpWindow.fill(0);
  }

  put(at: number, place: number, offset: number, length: number, ends: Ends): void {
    const b = this.batch;
    const i = b.count++;
    b.at[i] = at;
    b.place[i] = place;
    b.addresses.set(ends.words, 8 * i);
    b.sourcePort[i] = ends.fromPort;
    b.destinationPort[i] = ends.toPort;
    b.ipBytes[i] = length + 8 + (ends.isIpv6 ? 40 : 20);
    b.payloadBytes[i] = length;
    b.payloadOffset[i] = offset;
    b.payloadCaptured[i] = length;
  }
}

/** Who sent a datagram and who took it; all zero where a file doesn't tell. */
export class Ends {
  readonly words = new Uint32Array(8);
  readonly from: string;
  readonly fromPort: number;
  readonly toPort: number;
  readonly isIpv6: boolean;

  constructor(from: string, fromPort: number, to: string, toPort: number) {
    parseAddress(from, this.words, 0);
    parseAddress(to, this.words, 4);
    this.from = from;
    this.fromPort = fromPort;
    this.toPort = toPort;
    this.isIpv6 = from.includes(':');
  }
}
