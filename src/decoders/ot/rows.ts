// Where a protocol's reader writes its rows: one batch, filled with the ends and the time of the message under way.
import { BATCH_ROWS, MALFORMED, OperationAct, OperationBatch, OperationRole, type Origin, type Sink } from '#events';

export class Rows {
  readonly batch = new OperationBatch();
  origin: Origin = { file: '', placed: 'frame' };
  at = 0;
  place = 0;
  transport = 6;
  /** Whether the side that ports or the SYN name as client sent this message. */
  fromClient = true;
  /** Number of the connection, or a number for the pair of hosts; with the direction it keys what a reader remembers. */
  connection = 0;
  readonly addresses = new Uint32Array(8);
  clientPort = 0;
  serverPort = 0;
  #sink: Sink | undefined;

  /** The message under way can be told about to `sink`. */
  open(sink: Sink): void {
    this.#sink = sink;
  }

  fault(code: string): void {
    this.#sink?.fault(code, this.origin, this.place, -1);
  }

  /** A fault of the message itself, not of the capture: whoever sent it is told besides. */
  malformed(protocol: number, code: string, sentByClient = this.fromClient): void {
    this.fault(code);
    const role = sentByClient ? OperationRole.Request : OperationRole.Response;
    this.add(protocol, OperationAct.Other, role, MALFORMED, sentByClient);
  }

  /** A row with ends and time; where the content shows that the ends are the other way round, they are turned. */
  add(protocol: number, act: number, role: number, code: number, sentByClient = this.fromClient): number {
    const b = this.batch;
    if (b.count >= BATCH_ROWS) this.flush();
    b.origin = this.origin;
    const i = b.begin(protocol, act, role, code);
    b.at[i] = this.at;
    b.place[i] = this.place;
    b.transport[i] = this.transport;
    const turned = sentByClient !== this.fromClient;
    for (let k = 0; k < 8; k++) b.addresses[8 * i + k] = this.addresses[turned ? (k + 4) & 7 : k]!;
    b.clientPort[i] = turned ? this.serverPort : this.clientPort;
    b.serverPort[i] = turned ? this.clientPort : this.serverPort;
    b.count = i + 1;
    return i;
  }

  flush(): void {
    if (this.batch.count > 0) this.#sink?.emit(this.batch);
    this.batch.count = 0;
  }
}

export const u16be = (b: Uint8Array, at: number): number => (b[at]! << 8) | b[at + 1]!;
export const u16le = (b: Uint8Array, at: number): number => (b[at + 1]! << 8) | b[at]!;
export const u32be = (b: Uint8Array, at: number): number => u16be(b, at) * 65_536 + u16be(b, at + 2);
export const u32le = (b: Uint8Array, at: number): number => u16le(b, at + 2) * 65_536 + u16le(b, at);
