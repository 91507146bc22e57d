// Texts of flow rows that logs tell (names, fingerprints, histories), one behind the other in the batch's bytes.
import { BATCH_ROWS, type FlowBatch } from '#events';

const NAME_BYTES_MAX = 255;
const JA4 = /^[tqd][0-9a-z]{9}_[0-9a-f]{12}_[0-9a-f]{12}$/;
const JA4_BYTES = 36;
const SHA256 = /^[0-9a-f]{64}$/i;
const SHA256_BYTES = 32;
/** A name, a JA4 and a certificate's hash. */
export const TEXT_BYTES_MAX = NAME_BYTES_MAX + JA4_BYTES + SHA256_BYTES;

export class FlowTexts {
  readonly #batch: FlowBatch;
  readonly #bytes: Buffer;
  #end = 0;

  /** @param rowBytes the most that all texts of a row have: none may find no room, for it would be lost without a word */
  constructor(batch: FlowBatch, rowBytes: number) {
    this.#batch = batch;
    this.#bytes = Buffer.alloc(BATCH_ROWS * rowBytes);
    batch.bytes = this.#bytes;
  }

  clear(): void {
    this.#end = 0;
  }

  /** No text in any column of row i. */
  none(i: number): void {
    const b = this.#batch;
    b.nameBytes[i] = 0;
    b.ja4Bytes[i] = 0;
    b.alpnBytes[i] = 0;
    b.certificateBytes[i] = 0;
    b.historyBytes[i] = 0;
  }

  /** @param text Latin-1, cut at `max` octets; or hexadecimal */
  put(
    i: number,
    offset: Int32Array,
    length: Int32Array,
    text: string,
    max: number,
    encoding: 'latin1' | 'hex' = 'latin1',
  ): void {
    const n = this.#bytes.write(text, this.#end, max, encoding);
    offset[i] = this.#end;
    length[i] = n;
    this.#end += n;
  }

  name(i: number, name: string): void {
    this.put(i, this.#batch.nameOffset, this.#batch.nameBytes, name.toLowerCase(), NAME_BYTES_MAX);
  }

  /** What is no JA4 (a field of another meaning, an older form) is none. */
  ja4(i: number, ja4: string): void {
    if (JA4.test(ja4)) this.put(i, this.#batch.ja4Offset, this.#batch.ja4Bytes, ja4, JA4_BYTES);
  }

  /** @param sha256 as 64 hexadecimal letters; other hashes (Zeek before 5 has SHA-1) are none */
  certificate(i: number, sha256: string): void {
    if (SHA256.test(sha256))
      this.put(i, this.#batch.certificateOffset, this.#batch.certificateBytes, sha256, SHA256_BYTES, 'hex');
  }
}
