export { addressHash, formatAddress, parseAddress } from '#lib/address';
export type { EventBatch, EventKind, RecordBatch } from './batch.ts';
export { recordBatch } from './batch.ts';
export { ANSWER_ADDRESSES_MAX, DnsBatch, Foreign, formatName } from './dns.ts';
export { DnsMessageBatch } from './dns-message.ts';
export { FlowBatch, FlowPhase, FlowState } from './flow.ts';
export { BATCH_ROWS, FrameBatch, LinkType } from './frame.ts';
export {
  MALFORMED,
  OPERATION_TEXT_MAX,
  OperationAct,
  OperationBatch,
  OperationProtocol,
  OperationRole,
} from './operation.ts';
export {
  rpcAct,
  rpcInterfaceNamed,
  rpcInterfaceOf,
  rpcInterfaces,
  rpcOperationName,
  rpcOpnum,
} from './operation-names.ts';
export type { Origin, Place } from './origin.ts';
export { evidenceOf } from './origin.ts';
export { PacketBatch } from './packet.ts';
export type { Command, Position, Reading, Residual } from './records.ts';
export { Service, serviceOf, serviceOfPort } from './service.ts';
export type { SignallingMessage } from './signalling.ts';
export { MtpMessage, SccpMessage, SctpMessage } from './sigtran.ts';
export type { Decoder, DecoderCard, FaultTable, FaultText, Sink } from './stage.ts';
export { StreamBatch } from './stream.ts';
