// Borrowed-batch mode: with PARAPET_POISON=1 a batch's columns are overwritten when its call ends, so that a stage that
// keeps a view fails in tests at once. The whole suite runs once in this mode.
import type { EventBatch } from '#events';

const on = process.env.PARAPET_POISON === '1';

export function poison(batch: EventBatch): void {
  if (!on || 'records' in batch) return;
  for (const [key, value] of Object.entries(batch)) {
    // Bytes may be the source's own buffer, of which later records are still to be read; names of their own are overwritten.
    if (
      key === 'wire' ||
      (key === 'bytes' && batch.kind !== 'dns' && batch.kind !== 'flow' && batch.kind !== 'operation')
    )
      continue;
    if (ArrayBuffer.isView(value) && !(value instanceof DataView)) (value as Uint8Array).fill(0xa5);
  }
}
