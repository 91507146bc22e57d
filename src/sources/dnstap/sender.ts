// One connection of a DNS server that writes dnstap: handshake, frames, end. Bidirectional senders begin with READY, get
// ACCEPT, and their STOP gets FINISH; unidirectional ones just begin with START (fstrm, fstrm/control.h).
import { Control, FrameView, isTooLong, readFrame, writeControl } from './frames.ts';
import { StreamState } from './rows.ts';

/** What a sender needs of the world; the listener gives it. */
export interface SenderPort {
  /** @returns false where there is no room: the frame stays, `resume` is called when there is */
  take(bytes: Uint8Array, at: number, length: number): boolean;
  fault(code: string): void;
  reply(frame: Uint8Array): void;
  /** The connection is of no more use. */
  end(): void;
}

const FIRST_BYTES = 16 * 1024;

export class Sender {
  readonly #port: SenderPort;
  readonly #state = new StreamState();
  readonly #frame = new FrameView();
  /** Octets [start, end) wait: a frame and one read of the socket (64 KiB) at the most, so it grows to 512 KiB. */
  #buffer = new Uint8Array(FIRST_BYTES);
  #start = 0;
  #end = 0;
  #isBidirectional = false;
  #isOver = false;
  /** Whether it has ever said START. */
  hasStarted = false;

  constructor(port: SenderPort) {
    this.#port = port;
  }

  /** @returns false where a frame waits for room */
  push(chunk: Uint8Array): boolean {
    if (this.#isOver) return true;
    this.#room(chunk.length);
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
    return this.resume();
  }

  /** Goes on with what waits. @returns false where a frame waits for room */
  resume(): boolean {
    const frame = this.#frame;
    while (!this.#isOver && readFrame(this.#buffer, this.#start, this.#end, frame)) {
      const at = this.#start + frame.headBytes;
      if (isTooLong(frame)) {
        // Nothing tells where the next frame begins; a new connection does.
        this.#over('DNSTAP_FRAME_LENGTH');
        return true;
      }
      if (frame.isControl) this.#control(at, frame.bytes);
      else if (!this.#state.isStarted) this.#port.fault('DNSTAP_NOT_STARTED');
      else if (!this.#port.take(this.#buffer, at, frame.bytes)) return false;
      this.#start = at + frame.bytes;
    }
    return true;
  }

  /** The connection has ended. */
  closed(): void {
    if (!this.#isOver && this.#end > this.#start) this.#port.fault('DNSTAP_TRUNCATED');
    this.#isOver = true;
  }

  #control(at: number, length: number): void {
    const { type, hasContentType, fault } = this.#state.control(this.#buffer, at, length);
    if (fault === 'DNSTAP_CONTENT_TYPE') {
      this.#over(fault);
      return;
    }
    if (fault !== '') this.#port.fault(fault);
    if (type === Control.Ready) {
      this.#isBidirectional = true;
      this.#port.reply(writeControl(Control.Accept, hasContentType));
    } else if (type === Control.Start) this.hasStarted = true;
    else if (type === Control.Stop) {
      if (this.#isBidirectional) this.#port.reply(writeControl(Control.Finish, false));
      this.#over('');
    }
  }

  #over(fault: string): void {
    if (fault !== '') this.#port.fault(fault);
    this.#isOver = true;
    this.#port.end();
  }

  #room(more: number): void {
    if (this.#end + more <= this.#buffer.length) return;
    const waiting = this.#end - this.#start;
    if (waiting + more > this.#buffer.length) {
      let size = this.#buffer.length;
      while (size < waiting + more) size *= 2;
      const grown = new Uint8Array(size);
      grown.set(this.#buffer.subarray(this.#start, this.#end));
      this.#buffer = grown;
    } else this.#buffer.copyWithin(0, this.#start, this.#end);
    this.#start = 0;
    this.#end = waiting;
  }
}
