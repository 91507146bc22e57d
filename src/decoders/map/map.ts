// MAP and CAP over TCAP over SCCP: one SignallingMessage when an operation is asked, one when its answer, refusal, bounce or
// time-out is known. What is MAP is told by the application context, and where there is none by subsystem numbers, never by
// the operation code alone: other users of TCAP have the same codes. What cannot be decoded at a MAP subsystem is said too.
import {
  type Decoder,
  type DecoderCard,
  type EventBatch,
  recordBatch,
  SccpMessage,
  type SignallingMessage,
  type Sink,
} from '#events';
import { PairTable } from '#lib/table';
import type { DecoderKind } from '../contract.ts';
import { readTcap, type TcapComponent, type TcapMessage, TcapType } from '../tcap/index.ts';
import { Argument, readAnswer, readArgument } from './argument.ts';
import { faults } from './faults.ts';
import { capOperationName, isMobileSsn, mapOperationName } from './operations.ts';
import { type Dialogue, Transactions } from './transactions.ts';

/** Application contexts of MAP (0.4.0.0.1.0), of CAP phase 1 (0.4.0.0.1.0.50) and later (0.4.0.0.1.21 to 23). */
const MAP_CONTEXT = '0.4.0.0.1.0.';
const CAP_CONTEXTS = [
  '0.4.0.0.1.0.50.',
  '0.4.0.0.1.0.51.',
  '0.4.0.0.1.0.52.',
  '0.4.0.0.1.21.',
  '0.4.0.0.1.22.',
  '0.4.0.0.1.23.',
];
const SSN_MANAGEMENT = 1;
const SSN_CAP = 146;
/** The same message within this time is a second tap or a retransmission; taps were seen 7 to 30 ms apart. */
const SAME_MICROS = 500e3;
/** log2 of the messages remembered. */
const SAME_BITS = 14;
/** TCAP messages looked at in one SCCP message; there should be one. */
const MESSAGES_MAX = 8;

const card: DecoderCard = {
  name: 'map',
  takes: ['sccp'],
  gives: ['signalling'],
  recognisedBy: 'TCAP with a MAP or CAP application context; without one, subsystem numbers 5 to 10 and 142 to 150',
  limits:
    '8,192 dialogues, 16,384 requests waiting 60 s for an answer, 16,384 messages remembered 0.5 s against second taps; 8 messages and 64 components each',
  faults,
};

class Map_ implements Decoder {
  readonly card = card;
  readonly #transactions = new Transactions();
  readonly #argument = new Argument();
  /** Messages of the last moments by two hashes, with their times, microseconds. */
  readonly #recent = new PairTable(SAME_BITS);
  readonly #recentAt = new Float64Array(2 ** SAME_BITS);
  #firstAt = -1;

  get shed(): number {
    return this.#transactions.shed;
  }

  decode(batch: EventBatch, sink: Sink): void {
    if (!(batch instanceof SccpMessage) || batch.calledSsn === SSN_MANAGEMENT) return;
    if (batch.length <= 0 || this.#seen(batch)) return;
    const end = batch.offset + batch.length;
    let at = batch.offset;
    for (let n = 0; n < MESSAGES_MAX && at < end; n++) {
      const oddities = new Set(batch.oddities);
      if (n > 0) oddities.add('TCAP_TRAILING');
      const message = readTcap(batch.bytes, at, end, oddities);
      if (message === undefined) {
        // Padding behind a message is not a message.
        if (n === 0 || !allZero(batch.bytes, at, end)) this.#undecodable(batch, oddities, sink);
        return;
      }
      this.#message(batch, message, oddities, sink);
      at = message.next;
    }
  }

  advance(to: number, sink: Sink): void {
    for (let m = this.#transactions.overdue(to); m !== undefined; m = this.#transactions.overdue(to))
      unanswered(m, sink);
  }

  end(sink: Sink): void {
    this.advance(Number.POSITIVE_INFINITY, sink);
  }

  #seen(batch: SccpMessage): boolean {
    let a = 0x811c9dc5 ^ (batch.returned ? 1 : 0);
    let b = batch.length;
    for (let i = batch.offset; i < batch.offset + batch.length; i++) {
      a = Math.imul(a ^ batch.bytes[i]!, 0x01000193);
      b = Math.imul(b ^ batch.bytes[i]!, 0x85ebca6b) ^ (b >>> 13);
    }
    const first = a >>> 0 || 1;
    let slot = this.#recent.find(first, b >>> 0);
    const before = slot < 0 ? Number.NEGATIVE_INFINITY : this.#recentAt[slot]!;
    if (Math.abs(batch.at - before) < SAME_MICROS) return true;
    if (slot < 0) slot = this.#recent.insert(first, b >>> 0);
    this.#recentAt[slot] = batch.at;
    // The oldest of a full window goes. Counted from the first message, since weights are single precision.
    if (this.#firstAt < 0) this.#firstAt = batch.at;
    this.#recent.setWeight(slot, (batch.at - this.#firstAt) / 1e6);
    return false;
  }

  #undecodable(batch: SccpMessage, oddities: Set<string>, sink: Sink): void {
    if (batch.returned) return;
    const odd = batch.calledSsn <= 0 || batch.calledSsn === 254;
    if (!isMobileSsn(batch.calledSsn) && !isMobileSsn(batch.callingSsn) && !odd) return;
    sink.fault('TCAP_UNDECODABLE', batch.origin, batch.place, -1);
    const dialogue: Dialogue = { name: '', context: '', imsi: '', msisdn: '', at: batch.at, waiting: new Set() };
    this.#argument.clear();
    emit(this.#record(batch, dialogue, -1, 'undecodable', 'map', oddities), sink);
  }

  #message(batch: SccpMessage, t: TcapMessage, oddities: Set<string>, sink: Sink): void {
    const self = side(batch.calling, t.otid);
    const peer = side(batch.called, t.dtid);
    if (batch.returned) {
      // A bounced Begin comes back to who sent it: its requests were never heard. A bounced answer changes nothing.
      if (t.type !== TcapType.Begin && t.type !== TcapType.Continue) return;
      for (const c of t.components) {
        if (c.kind !== 'invoke') continue;
        const m = this.#transactions.answer(side(batch.called, t.otid), c.invokeId);
        if (m !== undefined) emit({ ...m, outcome: 'no-answer', answerAt: batch.at, answerPlace: batch.place }, sink);
      }
      return;
    }
    let dialogue = t.dtid === '' ? undefined : this.#transactions.dialogue(peer);
    if (dialogue === undefined) {
      if (t.type === TcapType.Continue && t.components.some((c) => c.kind === 'invoke')) oddities.add('TCAP_NOT_BEGUN');
      dialogue = { name: self, context: t.context, imsi: '', msisdn: '', at: batch.at, waiting: new Set() };
    } else if (t.context !== '') dialogue.context = t.context;
    if (t.otid !== '') this.#transactions.open(self, dialogue);
    if (t.type === TcapType.End && t.components.some((c) => c.kind === 'invoke')) oddities.add('TCAP_INVOKE_IN_END');
    if (t.type === TcapType.Unidirectional) oddities.add('TCAP_UNIDIRECTIONAL');
    const protocol = protocolOf(batch, dialogue.context);
    if (protocol === undefined) return;
    for (const c of t.components) {
      if (c.kind === 'invoke') this.#invoke(batch, t, c, dialogue, self, protocol, oddities, sink);
      else this.#answer(batch, c, peer, dialogue, oddities, sink);
    }
    if (t.components.length === 0 && oddities.has('TCAP_TRUNCATED')) this.#undecodable(batch, oddities, sink);
    if (t.type === TcapType.Abort || t.type === TcapType.End) {
      for (const key of [...dialogue.waiting]) {
        const m = this.#transactions.take(key)!;
        const outcome = t.type === TcapType.Abort ? 'refused' : 'no-answer';
        emit({ ...m, outcome, answerAt: batch.at, answerPlace: batch.place }, sink);
      }
      this.#transactions.close(peer);
    }
  }

  #invoke(
    batch: SccpMessage,
    t: TcapMessage,
    c: TcapComponent,
    dialogue: Dialogue,
    self: string,
    protocol: 'map' | 'cap',
    oddities: Set<string>,
    sink: Sink,
  ): void {
    const a = this.#argument;
    a.clear();
    if (protocol === 'map') readArgument(batch.bytes, c.offset, c.end, c.code, a);
    if (a.extendedTag) oddities.add('MAP_EXTENDED_TAG');
    if (a.unreadable) oddities.add('MAP_ARGUMENT');
    if (a.imsi !== '') dialogue.imsi = a.imsi;
    if (a.msisdn !== '') dialogue.msisdn = a.msisdn;
    const name = protocol === 'map' ? mapOperationName(c.code) : capOperationName(c.code);
    const m = this.#record(batch, dialogue, c.code, name, protocol, oddities);
    emit(m, sink);
    if (t.otid === '') {
      // Nobody can answer an End or a Unidirectional.
      unanswered(m, sink);
      return;
    }
    const gone = this.#transactions.wait(self, c.invokeId, m, dialogue);
    if (gone !== undefined) unanswered(gone, sink);
  }

  #answer(
    batch: SccpMessage,
    c: TcapComponent,
    peer: string,
    dialogue: Dialogue,
    oddities: Set<string>,
    sink: Sink,
  ): void {
    const m = this.#transactions.answer(peer, c.invokeId);
    if (m === undefined) return;
    const a = this.#argument;
    a.clear();
    if (c.kind === 'result' && m.protocol === 'map') readAnswer(batch.bytes, c.offset, c.end, m.operation, a);
    if (a.imsi !== '') dialogue.imsi = a.imsi;
    emit(
      {
        ...m,
        answerAt: batch.at,
        answerPlace: batch.place,
        imsi: m.imsi === '' ? a.imsi : m.imsi,
        servingNode:
          m.servingNode === '' || m.operation === 71 || m.operation === 45 ? a.node || m.servingNode : m.servingNode,
        outcome: c.kind === 'result' ? 'success' : 'refused',
        errorCode: c.kind === 'error' ? c.code : -1,
        gaveLocation: a.gaveLocation,
        gaveKeys: a.gaveKeys,
        gaveIdentity: a.gaveIdentity,
        oddities: oddities.size === 0 ? m.oddities : [...new Set([...m.oddities, ...oddities])],
      },
      sink,
    );
  }

  #record(
    batch: SccpMessage,
    dialogue: Dialogue,
    operation: number,
    name: string,
    protocol: 'map' | 'cap',
    oddities: Set<string>,
  ): SignallingMessage {
    const a = this.#argument;
    return {
      kind: 'signalling',
      at: batch.at,
      origin: batch.origin,
      place: batch.place,
      segments: batch.places,
      answerPlace: -1,
      answerAt: -1,
      protocol,
      operation,
      name,
      context: dialogue.context,
      dialogue: dialogue.name,
      calling: batch.calling,
      called: batch.called,
      callingSsn: batch.callingSsn,
      calledSsn: batch.calledSsn,
      originRealm: '',
      destinationRealm: '',
      visitedPlmn: '',
      routeRecords: none,
      imsi: a.imsi === '' ? dialogue.imsi : a.imsi,
      msisdn: a.msisdn === '' ? dialogue.msisdn : a.msisdn,
      servingNode: a.node,
      apn: a.apn,
      outcome: 'pending',
      errorCode: -1,
      gaveLocation: false,
      gaveKeys: false,
      gaveIdentity: false,
      oddities: oddities.size === 0 ? none : [...oddities],
    };
  }
}

const none: readonly never[] = [];

function emit(m: SignallingMessage, sink: Sink): void {
  sink.emit(recordBatch([m]));
}
function unanswered(m: SignallingMessage, sink: Sink): void {
  emit({ ...m, outcome: 'no-answer' }, sink);
}
function side(address: string, id: string): string {
  return `${address}/${id}`;
}
function allZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** By context, else by subsystem. An odd subsystem number does not hide a message that reads as MAP would. */
function protocolOf(batch: SccpMessage, context: string): 'map' | 'cap' | undefined {
  if (context !== '') {
    if (CAP_CONTEXTS.some((c) => context.startsWith(c))) return 'cap';
    return context.startsWith(MAP_CONTEXT) ? 'map' : undefined;
  }
  if (batch.calledSsn === SSN_CAP || batch.callingSsn === SSN_CAP) return 'cap';
  const odd = batch.calledSsn <= 0 || batch.calledSsn === 254;
  return isMobileSsn(batch.calledSsn) || isMobileSsn(batch.callingSsn) || odd ? 'map' : undefined;
}

export const map: DecoderKind = { card, create: () => new Map_() };
