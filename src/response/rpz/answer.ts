// What one request gets, as a pure function of its bytes: SOA, AXFR (RFC 5936), IXFR (RFC 1995) for consumers, REFUSED for all
// else. No answer but a transfer is longer than its question by more than a SOA, so that forged sources gain nothing.
import {
  Class,
  checkTsig,
  Flag,
  type Message,
  type NewRecord,
  Opcode,
  opcodeOf,
  optRecord,
  type Question,
  Rcode,
  readMessage,
  recordBytes,
  signTsig,
  soaSerial,
  type TsigCheck,
  TsigError,
  type TsigKey,
  Type,
  unsignedTsig,
  writeMessage,
} from '../wire/index.ts';
import type { PolicyZone } from './zone.ts';

/** Octets of one message of a transfer; below 64 KiB with room for a signature. */
export const TRANSFER_MESSAGE_BYTES = 16_384;
const UDP_SIZE = 1232;

export interface Asked {
  readonly bytes: Buffer;
  /** Plain text of the sender's address, IPv4-mapped ones as IPv4. */
  readonly address: string;
  readonly transport: 'udp' | 'tcp';
  readonly nowSeconds: number;
}
/** Who may have the zone: an address, with a key where the consumer has one. */
export interface Reader {
  readonly name: string;
  readonly address: string;
  readonly key?: TsigKey;
}
export interface Served {
  readonly zone: PolicyZone;
  readonly readers: readonly Reader[];
}
/** One message, or the messages of a transfer made as they are taken; undefined where silence is the answer. */
export type Answer = {
  readonly messages: Iterable<Buffer>;
  readonly what: 'soa' | 'axfr' | 'ixfr' | 'refused';
  readonly reader?: string;
};

export function answer(asked: Asked, served: Served): Answer | undefined {
  const message = readMessage(asked.bytes);
  // An answer to an answer would be a loop.
  if (message === undefined || (message.flags & Flag.QR) !== 0) return undefined;
  const question = message.questions[0];
  if (message.broken || question === undefined || message.questions.length !== 1)
    return single(message, undefined, Rcode.FormErr);
  if (opcodeOf(message.flags) !== Opcode.Query) return single(message, question, Rcode.Refused);
  const opts = message.additional.filter((r) => r.type === Type.OPT);
  if (opts.length > 1) return single(message, question, Rcode.FormErr);
  const keys = new Map(served.readers.flatMap((r) => (r.key === undefined ? [] : [[r.key.name, r.key] as const])));
  const check = checkTsig(message, (name) => keys.get(name), asked.nowSeconds);
  if (check.kind === 'malformed') return single(message, question, Rcode.FormErr);
  if (check.kind === 'bad') return notAuthentic(message, question, check, asked.nowSeconds);
  // RFC 6891, 6.1.3: version 0 alone. BADVERS is 16: 1 in the OPT, 0 in the header.
  if (opts.length === 1 && ((message.bytes.readUInt32BE(opts[0]!.dataAt - 6) >>> 16) & 0xff) !== 0)
    return single(message, question, Rcode.NoError, [optRecord(UDP_SIZE, false, 1)]);
  const reply = new Reply(message, question, check, asked.nowSeconds, opts.length === 1);
  const reader = readerOf(asked.address, check, served.readers);
  if (question.class !== Class.IN || question.name.toLowerCase() !== served.zone.name || reader === undefined)
    return reply.refused();
  return answerReader(asked, message, question, reply, reader, check, served.zone);
}

function answerReader(
  asked: Asked,
  message: Message,
  question: Question,
  reply: Reply,
  reader: Reader,
  check: TsigCheck,
  zone: PolicyZone,
): Answer {
  if (question.type === Type.SOA) return { ...reply.records('soa', [zone.soa()]), reader: reader.name };
  const transfer = question.type === Type.AXFR || question.type === Type.IXFR;
  // A consumer with a key gets transfers by it alone; its address only lets it ask for the serial.
  if (!transfer || (reader.key !== undefined && check.kind !== 'good')) return reply.refused();
  if (question.type === Type.IXFR) return { ...reply.incremental(asked, message, zone), reader: reader.name };
  // RFC 5936, 4.2: AXFR over UDP is not defined.
  if (asked.transport === 'udp') return reply.refused();
  return { ...reply.records('axfr', zone.full()), reader: reader.name };
}

/** The consumer that asks: by its key where it signed, else by its address. */
function readerOf(address: string, check: TsigCheck, readers: readonly Reader[]): Reader | undefined {
  if (check.kind === 'good')
    return readers.find((r) => r.key === check.key) ?? readers.find((r) => r.key?.name === check.key.name);
  const here = readers.filter((r) => r.address === address);
  return here.find((r) => r.key === undefined) ?? here[0];
}

class Reply {
  readonly #message: Message;
  readonly #question: Question;
  readonly #check: TsigCheck;
  readonly #nowSeconds: number;
  readonly #edns: boolean;

  constructor(message: Message, question: Question, check: TsigCheck, nowSeconds: number, edns: boolean) {
    this.#message = message;
    this.#question = question;
    this.#check = check;
    this.#nowSeconds = nowSeconds;
    this.#edns = edns;
  }

  refused(): Answer {
    return { what: 'refused', messages: this.#messages([], Rcode.Refused) };
  }
  records(what: 'soa' | 'axfr' | 'ixfr', records: Iterable<NewRecord>): Answer {
    return { what, messages: this.#messages(records, Rcode.NoError) };
  }
  incremental(asked: Asked, message: Message, zone: PolicyZone): Answer {
    const soa = message.authority.find((r) => r.type === Type.SOA && r.name.toLowerCase() === zone.name);
    const serial = soa === undefined ? undefined : soaSerial(message.bytes, soa);
    if (serial === undefined) return { what: 'refused', messages: this.#messages([], Rcode.FormErr) };
    // RFC 1995, 2: over UDP the SOA alone says "take TCP" to who is behind, and "nothing new" to who isn't.
    if (asked.transport === 'udp' || !zone.isNewerThan(serial)) return this.records('ixfr', [zone.soa()]);
    const steps = zone.stepsFrom(serial);
    return steps === undefined ? this.records('axfr', zone.full()) : this.records('ixfr', zone.incremental(steps));
  }

  /** Messages of bounded size; the question stands in the first (RFC 5936, 2.2), and each is signed where the request was. */
  *#messages(records: Iterable<NewRecord>, rcode: number): Generator<Buffer> {
    let first = true;
    let chain = this.#check.kind === 'good' ? { mac: this.#check.mac, timersOnly: false } : undefined;
    const make = (batch: readonly NewRecord[]): Buffer => {
      const bytes = writeMessage({
        id: this.#message.id,
        flags: responseFlags(this.#message, rcode) | (rcode === Rcode.NoError ? Flag.AA : 0),
        ...(first ? { question: this.#question } : {}),
        answers: batch,
        ...(first && this.#edns ? { additional: [optRecord(UDP_SIZE)] } : {}),
      });
      first = false;
      if (this.#check.kind !== 'good' || chain === undefined) return bytes;
      const signed = signTsig(bytes, this.#check.key, this.#nowSeconds, chain);
      chain = { mac: signed.mac, timersOnly: true };
      return signed.bytes;
    };
    let batch: NewRecord[] = [];
    let size = 0;
    for (const record of records) {
      const octets = recordBytes(record).length;
      if (size + octets > TRANSFER_MESSAGE_BYTES) {
        yield make(batch);
        batch = [];
        size = 0;
      }
      batch.push(record);
      size += octets;
    }
    if (first || batch.length > 0) yield make(batch);
  }
}

const responseFlags = (message: Message, rcode: number): number =>
  Flag.QR | (message.flags & (0x7800 | Flag.RD)) | rcode;

function single(
  message: Message,
  question: Question | undefined,
  rcode: number,
  additional: readonly NewRecord[] = [],
): Answer {
  const bytes = writeMessage({
    id: message.id,
    flags: responseFlags(message, rcode),
    ...(question === undefined ? {} : { question }),
    additional,
  });
  return { what: 'refused', messages: [bytes] };
}

/** NOTAUTH with the reason in a TSIG: unsigned where the asker is unproven, signed with our time for BADTIME (RFC 8945, 5.2.3). */
function notAuthentic(
  message: Message,
  question: Question,
  check: Extract<TsigCheck, { kind: 'bad' }>,
  nowSeconds: number,
): Answer {
  const bytes = writeMessage({ id: message.id, flags: responseFlags(message, Rcode.NotAuth), question });
  const { tsig, error, known } = check;
  if (known === undefined || error === TsigError.BadKey || error === TsigError.BadSig)
    return { what: 'refused', messages: [unsignedTsig(bytes, tsig.key, tsig.algorithm, tsig.atSeconds, error)] };
  const other = Buffer.alloc(error === TsigError.BadTime ? 6 : 0);
  if (other.length > 0) other.writeUIntBE(Math.floor(nowSeconds), 0, 6);
  // The asker's own time is echoed so that it can check the signature with its clock.
  const at = error === TsigError.BadTime ? tsig.atSeconds : nowSeconds;
  return {
    what: 'refused',
    messages: [signTsig(bytes, known, at, { mac: tsig.mac, timersOnly: false }, error, other).bytes],
  };
}
