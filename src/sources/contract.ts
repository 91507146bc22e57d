// Where bytes come from. A source knows framing, time and loss, and nothing of meaning.
import type { FaultTable, Sink } from '#events';

export interface Source {
  /** Event time of the next row not yet emitted, microseconds; Infinity at the end. */
  peekAt(): Promise<number>;
  /**
   * Emits one batch at the most: the next rows whose time is before `until` (rows out of order are emitted where they stand).
   * @returns false at the end of the input
   */
  pull(until: number, sink: Sink): Promise<boolean>;
  /** Bytes of the file read so far, and its size (0 where unknown), for progress. */
  readonly progress: { readonly read: number; readonly size: number };
  close(): void;
}

export type DoesNotTell = { readonly [plane in 'dns' | 'flow']?: readonly string[] };

export interface SourceKind {
  readonly card: {
    readonly name: string;
    /** What it reads, in a phrase for --help. */
    readonly reads: string;
    readonly faults: FaultTable;
    /** What it can't show of a plane, a sentence each; printed as coverage of a run that has rows of that plane. */
    readonly doesNotTell?: DoesNotTell;
  };
  /** Whether the first bytes (decompressed, at most 4096) are this kind's. */
  probe(head: Uint8Array, path: string): boolean;
  open(reader: ByteReader, path: string): Source;
}

/** Bytes of a file, standard input or a child's output, decompressed; one reused buffer. */
export interface ByteReader {
  /** The buffer: bytes [start, end) are valid. `fill` may replace or move it. */
  readonly buffer: Uint8Array;
  start: number;
  readonly end: number;
  /** Offset in the decompressed input of buffer[start]. */
  readonly position: number;
  /**
   * Moves [start, end) to the front and reads more behind it, until at least `atLeast` bytes are there or the input ends.
   * @returns bytes now available; fewer than `atLeast` only at the end of the input
   */
  fill(atLeast: number): Promise<number>;
  /** Set where the bytes broke off (damaged compression, broken pipe); what came before stays readable. */
  readonly failure?: Error | undefined;
  readonly progress: { readonly read: number; readonly size: number };
  close(): void;
}
