// What the layers below MAP and Diameter hand on, one message a batch, like StreamBatch. Borrowed: bytes and `places` are
// dead after the call.
import type { Origin } from './origin.ts';

/** One SCTP user message, complete. */
export class SctpMessage {
  readonly kind = 'sctp';
  origin: Origin = { file: '', placed: 'frame' };
  at = 0;
  /** Place of the packet that completed the message. */
  place = 0;
  /** Places of the fragments before that one; empty where the message came whole. */
  places: readonly number[] = [];
  /** Eight words: source address then destination address. */
  readonly addresses = new Uint32Array(8);
  sourcePort = 0;
  destinationPort = 0;
  stream = 0;
  /** Payload protocol identifier as on the wire (big-endian read); some senders swap it or leave it 0. */
  ppid = 0;
  bytes: Uint8Array = new Uint8Array(0);
  offset = 0;
  length = 0;
}

/** One MTP3 user part message, whatever carried it (M3UA, M2PA, a link-layer capture). */
export class MtpMessage {
  readonly kind = 'mtp';
  origin: Origin = { file: '', placed: 'frame' };
  at = 0;
  place = 0;
  places: readonly number[] = [];
  /** Originating and destination point code. */
  opc = 0;
  dpc = 0;
  /** Service indicator: 3 SCCP, 5 ISUP. */
  serviceIndicator = 0;
  networkIndicator = 0;
  bytes: Uint8Array = new Uint8Array(0);
  offset = 0;
  length = 0;
}

/** One SCCP connectionless message, reassembled, with its addresses read. */
export class SccpMessage {
  readonly kind = 'sccp';
  origin: Origin = { file: '', placed: 'frame' };
  at = 0;
  place = 0;
  places: readonly number[] = [];
  /** Q.713 message type of the (last) message: 0x09 UDT ... 0x14 LUDTS. */
  messageType = 0;
  /** Whether it is a returned message (UDTS, XUDTS, LUDTS): its data went the other way. */
  returned = false;
  returnCause = -1;
  /** Global title digits, or `pc:ssn` where there is none. */
  calling = '';
  called = '';
  /** Subsystem numbers; -1 where absent. */
  callingSsn = -1;
  calledSsn = -1;
  /** Numbering plan of the called global title; -1 where it has none. 1 E.164, 6 E.212, 7 E.214. */
  calledPlan = -1;
  /** Nature of address of the called global title; -1 where it has none. 3 national, 4 international. */
  calledNature = -1;
  /** Encodings worth a remark, by code. */
  oddities: readonly string[] = [];
  bytes: Uint8Array = new Uint8Array(0);
  offset = 0;
  length = 0;
}
