// TCP (RFC 9293): one connection as a pair of counters; each call gives the frames of one step.
import { ipFrame, transportChecksum } from './ethernet.ts';

export const segmentBytesMax = 1400;
const ACK = 0x10;

/** Where frames go. */
export type Emit = (at: number, frame: Uint8Array, onFrame?: (frame: number) => void) => void;

export class TcpConnection {
  readonly client: number;
  readonly clientPort: number;
  readonly server: number;
  readonly serverPort: number;
  /** Round trip seen at the tap, microseconds. */
  readonly roundTrip: number;
  #clientNext: number;
  #serverNext: number;
  readonly #emit: Emit;

  constructor(emit: Emit, client: number, clientPort: number, server: number, serverPort: number, roundTrip: number) {
    this.#emit = emit;
    this.client = client;
    this.clientPort = clientPort;
    this.server = server;
    this.serverPort = serverPort;
    this.roundTrip = roundTrip;
    // Initial sequence numbers need only differ between connections.
    this.#clientNext = (Math.imul(client ^ (clientPort << 16), 0x9e3779b1) ^ server) >>> 0;
    this.#serverNext = (Math.imul(server ^ (clientPort << 8), 0x85ebca6b) ^ client) >>> 0;
  }
  /** Three-way hand-shake; returns the time after it. */
  open(at: number, onFrame?: (frame: number) => void): number {
    this.#segment(at, true, 0x02, undefined, 0, 0, onFrame);
    this.#clientNext = (this.#clientNext + 1) >>> 0;
    this.#segment(at + this.roundTrip, false, 0x12, undefined, 0, 0);
    this.#serverNext = (this.#serverNext + 1) >>> 0;
    this.#segment(at + this.roundTrip + 60, true, ACK, undefined, 0, 0);
    return at + this.roundTrip + 120;
  }
  /** Data one way in as many segments as needed, one pure ACK back; returns the time after it. */
  send(
    at: number,
    fromClient: boolean,
    data: Uint8Array,
    acknowledge = true,
    onFrame?: (frame: number) => void,
  ): number {
    let t = at;
    for (let o = 0; o < data.length; o += segmentBytesMax) {
      const end = Math.min(o + segmentBytesMax, data.length);
      this.#segment(t, fromClient, 0x18, data, o, end, o === 0 ? onFrame : undefined);
      if (fromClient) this.#clientNext = (this.#clientNext + end - o) >>> 0;
      else this.#serverNext = (this.#serverNext + end - o) >>> 0;
      t += 40;
    }
    if (acknowledge) {
      t += fromClient ? this.roundTrip : 80;
      this.#segment(t, !fromClient, ACK, undefined, 0, 0);
      t += 40;
    }
    return t;
  }
  /** FIN both ways; returns the time after it. */
  close(at: number): number {
    this.#segment(at, true, 0x11, undefined, 0, 0);
    this.#clientNext = (this.#clientNext + 1) >>> 0;
    this.#segment(at + this.roundTrip, false, 0x11, undefined, 0, 0);
    this.#serverNext = (this.#serverNext + 1) >>> 0;
    this.#segment(at + this.roundTrip + 60, true, ACK, undefined, 0, 0);
    return at + this.roundTrip + 100;
  }
  #segment(
    at: number,
    fromClient: boolean,
    flags: number,
    data: Uint8Array | undefined,
    start: number,
    end: number,
    onFrame?: (frame: number) => void,
  ): void {
    const syn = (flags & 2) !== 0;
    const header = syn ? 24 : 20;
    const bytes = header + end - start;
    const b = fromClient ? ipFrame(this.client, this.server, 6, bytes) : ipFrame(this.server, this.client, 6, bytes);
    const view = new DataView(b.buffer);
    view.setUint16(34, fromClient ? this.clientPort : this.serverPort);
    view.setUint16(36, fromClient ? this.serverPort : this.clientPort);
    view.setUint32(38, fromClient ? this.#clientNext : this.#serverNext);
    if ((flags & ACK) !== 0) view.setUint32(42, fromClient ? this.#serverNext : this.#clientNext);
    b[46] = (header / 4) << 4;
    b[47] = flags;
    view.setUint16(48, 64240);
    // The one option: maximum segment size.
    if (syn) view.setUint32(54, 0x02040578);
    if (data !== undefined) b.set(data.subarray(start, end), 34 + header);
    view.setUint16(50, transportChecksum(b, 6, bytes));
    this.#emit(at, b, onFrame);
  }
}
