// Proves an audit file from its first byte, or names the first entry that breaks it.
import { closeSync, openSync, readSync } from 'node:fs';
import { type AuditEntry, genesis, LINE_BYTES_MAX, readLine } from './chain.ts';

export interface AuditProof {
  readonly entries: number;
  /** Hash of the last good entry; noted elsewhere, it later proves that nothing was cut off. */
  readonly head: string;
  /** Octets up to the end of the last good entry. */
  readonly goodBytes: number;
  readonly fault: AuditFault | undefined;
  /** The file ends inside a line: a crash while writing, not a change. */
  readonly torn: boolean;
  readonly lastAt: number;
  /** Places where the clock went back, as the log itself recorded. */
  readonly clockSteps: number;
}
export interface AuditFault {
  readonly line: number;
  readonly offset: number;
  readonly text: string;
}

/**
 * @param each called for each good entry, in order
 * @param known an entry's number and hash noted earlier: the file must still hold it
 * @throws where the file can't be read
 */
export function verify(
  path: string,
  each?: (entry: AuditEntry) => void,
  known?: { seq: number; hash: string },
): AuditProof {
  const fd = openSync(path, 'r');
  let entries = 0;
  let head = genesis;
  let goodBytes = 0;
  let lastAt = 0;
  let clockSteps = 0;
  let knownMet = known === undefined;
  const proof = (fault: AuditFault | undefined, torn: boolean): AuditProof => ({
    entries,
    head,
    goodBytes,
    fault,
    torn,
    lastAt,
    clockSteps,
  });
  const broken = (text: string): AuditProof => proof({ line: entries + 1, offset: goodBytes, text }, false);
  try {
    const chunk = Buffer.allocUnsafe(1 << 20);
    let rest: Buffer = Buffer.alloc(0);
    for (;;) {
      const n = readSync(fd, chunk, 0, chunk.length, null);
      if (n === 0) break;
      const bytes = rest.length === 0 ? chunk.subarray(0, n) : Buffer.concat([rest, chunk.subarray(0, n)]);
      let at = 0;
      for (;;) {
        const end = bytes.indexOf(0x0a, at);
        if (end < 0) break;
        const read = readLine(bytes.subarray(at, end), entries + 1, head);
        if ('fault' in read) return broken(read.fault);
        entries++;
        head = read.hash;
        goodBytes += end + 1 - at;
        at = end + 1;
        lastAt = read.entry.at;
        if (read.entry.type === 'clock') clockSteps++;
        if (known?.seq === entries) {
          if (known.hash !== head) return broken(`entry ${known.seq} is not the one noted earlier`);
          knownMet = true;
        }
        each?.(read.entry);
      }
      rest = Buffer.from(bytes.subarray(at));
      if (rest.length > LINE_BYTES_MAX) return broken(`a line longer than ${LINE_BYTES_MAX} octets`);
    }
    if (rest.length > 0)
      return proof({ line: entries + 1, offset: goodBytes, text: 'the file ends inside an entry' }, true);
    if (!knownMet) return broken(`entry ${known!.seq}, noted earlier, is missing: the end was cut off`);
    return proof(undefined, false);
  } finally {
    closeSync(fd);
  }
}
