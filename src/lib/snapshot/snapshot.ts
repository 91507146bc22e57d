// Typed arrays as text that JSON can carry: deflated (tables are mostly zeros), then base64. The bytes are in the
// machine's order; all machines that Node runs on today are little-endian.
import { deflateRawSync, inflateRawSync } from 'node:zlib';

export function packColumn(column: ArrayBufferView): string {
  return deflateRawSync(Buffer.from(column.buffer, column.byteOffset, column.byteLength), { level: 1 }).toString(
    'base64',
  );
}

/**
 * Fills `into` from text made by packColumn.
 * @throws Error where the text does not hold exactly as many bytes
 */
export function unpackColumn(text: unknown, into: ArrayBufferView): void {
  if (typeof text !== 'string') throw new Error('a column is missing');
  // One byte more is allowed for, so that a column that is too long is seen without being held whole.
  const raw = inflateRawSync(Buffer.from(text, 'base64'), { maxOutputLength: into.byteLength + 1 });
  if (raw.length !== into.byteLength) throw new Error(`a column holds ${raw.length} bytes, not ${into.byteLength}`);
  new Uint8Array(into.buffer, into.byteOffset, into.byteLength).set(raw);
}
