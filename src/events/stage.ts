// What joins the rooms on the way from bytes to events. Sources and decoders emit batches and record faults; the
// pipeline passes each batch to every decoder and detector that takes its kind, before `emit` returns.
import type { EventBatch, EventKind } from './batch.ts';
import type { Origin } from './origin.ts';

export interface FaultText {
  /** One sentence on what was seen. */
  readonly text: string;
  /** One sentence on what to do. */
  readonly remedy: string;
  /** What is not read because of it. */
  readonly lost: string;
}
export type FaultTable = Readonly<Record<string, FaultText>>;

export interface Sink {
  /** Lends a batch until the call returns. */
  emit(batch: EventBatch): void;
  /**
   * Records a fault; never throws, never prints. Repeats are counted, not kept.
   * @param code a key of the stage's fault table
   * @param offset byte offset from the start of the frame or file, -1 where it has none
   */
  fault(code: string, origin: Origin, place: number, offset: number): void;
  /**
   * Says what could not be seen though nothing was unreadable; a later call with the same plane and `what` takes its place.
   * @param what short name of it, e.g. `sampling-unknown`
   * @param count how much
   */
  cover?(plane: string, what: string, count: number, text: string): void;
}

export interface DecoderCard {
  readonly name: string;
  readonly takes: readonly EventKind[];
  readonly gives: readonly EventKind[];
  readonly recognisedBy: string;
  /** TCP ports whose streams it reads, where it takes `stream`. */
  readonly tcpPorts?: readonly number[];
  readonly limits: string;
  readonly faults: FaultTable;
}

/** Bytes to events. Never waits, never throws on input, keeps bounded state. */
export interface Decoder {
  readonly card: DecoderCard;
  decode(batch: EventBatch, sink: Sink): void;
  /** Event time has reached `to` (microseconds): time-outs are due. */
  advance(to: number, sink: Sink): void;
  /** No more input: what is complete enough is emitted. */
  end(sink: Sink): void;
  /** Things dropped at a capacity. */
  readonly shed: number;
}
