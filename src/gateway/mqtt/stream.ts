// Bytes to packets: a length is judged before anything is buffered for it, so that a five-octet header which announces
// 256 MiB costs five octets (CVE-2023-0809). Input may be cut anywhere (mqtt-packet#95).
import { decode } from './decode.ts';
import { type Malformed, type Packet, Reason, type Sender, type Version } from './packets.ts';

export class PacketStream {
  /** Set by the owner once CONNECT named it. */
  version: Version = 4;
  /** Largest whole packet accepted, octets; small before CONNECT, larger after. */
  bytesMax: number;
  readonly #sender: Sender;
  /** A stream from a client begins with CONNECT, and has one. */
  #connected = false;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;
  /** True while #bytes is ours to append to: never after a packet was lent from it. */
  #own = false;
  #broken: Malformed | undefined;

  constructor(sender: Sender, bytesMax: number) {
    this.#sender = sender;
    this.bytesMax = bytesMax;
  }

  /** Octets held for an unfinished packet. */
  get held(): number {
    return this.#end - this.#at;
  }

  push(chunk: Buffer): void {
    if (this.#broken !== undefined) return;
    if (this.held === 0) {
      this.#bytes = chunk;
      this.#at = 0;
      this.#end = chunk.length;
      this.#own = false;
      return;
    }
    const held = this.held;
    if (!this.#own || this.#end + chunk.length > this.#bytes.length) {
      // Doubling keeps one octet at a time linear. Held octets never exceed one packet, so the size is bounded.
      const grown = Buffer.allocUnsafe(Math.max(256, 2 * held, held + chunk.length));
      this.#bytes.copy(grown, 0, this.#at, this.#end);
      this.#bytes = grown;
      this.#at = 0;
      this.#end = held;
      this.#own = true;
    }
    chunk.copy(this.#bytes, this.#end);
    this.#end += chunk.length;
  }

  /** The next whole packet; undefined where more octets are needed. After a Malformed nothing more is read. */
  next(): Packet | Malformed | undefined {
    if (this.#broken !== undefined) return this.#broken;
    if (this.held === 0) return undefined;
    const first = this.#bytes[this.#at]!;
    if (this.#sender === 'client' && !this.#connected && first >> 4 !== 1)
      return this.#fail(Reason.ProtocolError, 'the first packet is not CONNECT');
    let length = 0;
    let at = this.#at + 1;
    for (let i = 0; ; i++) {
      if (i === 4) return this.#fail(Reason.Malformed, 'a length is longer than four octets');
      if (at >= this.#end) return undefined;
      const octet = this.#bytes[at++]!;
      length += (octet & 0x7f) * 128 ** i;
      if (at - this.#at + length > this.bytesMax)
        return this.#fail(Reason.PacketTooLarge, `a packet larger than ${this.bytesMax} octets`);
      if (octet < 0x80) {
        if (octet === 0 && i > 0) return this.#fail(Reason.Malformed, 'a length is padded with empty octets');
        break;
      }
    }
    if (this.#end - at < length) return undefined;
    const end = at + length;
    if (first >> 4 === 1 && this.#sender === 'client') {
      if (this.#connected) return this.#fail(Reason.ProtocolError, 'a second CONNECT');
      this.#connected = true;
    }
    const packet = decode(first, this.#bytes, at, end, this.version, this.#sender);
    if (packet.type === 'malformed') return this.#fail(packet.reason, packet.text);
    if (packet.type === 'connect') this.version = packet.version;
    this.#at = end;
    this.#own = false;
    return packet;
  }

  #fail(reason: number, text: string): Malformed {
    this.#broken = { type: 'malformed', reason, text };
    this.#bytes = Buffer.alloc(0);
    this.#at = this.#end = 0;
    return this.#broken;
  }
}
