// The closed list of event kinds. Column batches are borrowed; record batches hold owned records.
import type { DnsBatch } from './dns.ts';
import type { DnsMessageBatch } from './dns-message.ts';
import type { FlowBatch } from './flow.ts';
import type { FrameBatch } from './frame.ts';
import type { OperationBatch } from './operation.ts';
import type { PacketBatch } from './packet.ts';
import type { Command, Position, Reading, Residual } from './records.ts';
import type { SignallingMessage } from './signalling.ts';
import type { MtpMessage, SccpMessage, SctpMessage } from './sigtran.ts';
import type { StreamBatch } from './stream.ts';

type Owned = SignallingMessage | Reading | Command | Position | Residual;

export interface RecordBatch<R extends Owned = Owned> {
  readonly kind: R['kind'];
  readonly records: readonly R[];
}

export type EventBatch =
  | FrameBatch
  | PacketBatch
  | StreamBatch
  | SctpMessage
  | MtpMessage
  | SccpMessage
  | DnsMessageBatch
  | DnsBatch
  | FlowBatch
  | OperationBatch
  | RecordBatch<SignallingMessage>
  | RecordBatch<Reading>
  | RecordBatch<Command>
  | RecordBatch<Position>
  | RecordBatch<Residual>;

export type EventKind = EventBatch['kind'];

/** A batch of owned records of one kind; there must be at least one. */
export function recordBatch<R extends Owned>(records: readonly R[]): RecordBatch<R> {
  return { kind: records[0]!.kind, records };
}
