// Asks a resolver one question: UDP, then TCP where the answer was cut (RFC 7766, 5). The socket is connected and its port, like
// the id, is chance, so that a forged answer has 32 bits to guess (RFC 5452, 9).
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { Class, Flag, type Message, optRecord, type ReadRecord, readMessage, writeMessage } from '../wire/index.ts';

export interface Ask {
  readonly address: string;
  readonly port: number;
  readonly name: string;
  readonly type: number;
  /** Our source address. */
  readonly from?: string;
  readonly timeoutMs?: number;
  /** Recursion desired; true unless told. */
  readonly recursion?: boolean;
  readonly dnssecOk?: boolean;
  readonly checkingDisabled?: boolean;
  /** TCP from the start. */
  readonly tcp?: boolean;
}
export interface Reply {
  readonly rcode: number;
  /** The header's second word (`Flag` in ../wire). */
  readonly flags: number;
  readonly answers: readonly ReadRecord[];
  readonly authority: readonly ReadRecord[];
  readonly additional: readonly ReadRecord[];
  readonly message: Message;
  readonly transport: 'udp' | 'tcp';
  /** Milliseconds from question to answer. */
  readonly tookMs: number;
}
/** `failed` in words: no answer, refused connection, no route. Never thrown: a dead resolver is news, not an error. */
export type Asked = Reply | { readonly failed: string };

const UDP_SIZE = 1232;
const TIMEOUT_MS = 2000;

export async function ask(question: Ask): Promise<Asked> {
  const id = randomInt(0x1_0000);
  let bytes: Buffer;
  try {
    bytes = queryBytes(question, id);
  } catch {
    return { failed: `${question.name} is no domain name` };
  }
  const started = process.hrtime.bigint();
  const take = (message: Message, transport: 'udp' | 'tcp'): Reply => ({
    rcode: message.flags & 15,
    flags: message.flags,
    answers: message.answers,
    authority: message.authority,
    additional: message.additional,
    message,
    transport,
    tookMs: Number(process.hrtime.bigint() - started) / 1e6,
  });
  if (question.tcp !== true) {
    const message = await overUdp(question, bytes, id);
    if ('failed' in message) return message;
    if ((message.flags & Flag.TC) === 0) return take(message, 'udp');
  }
  const message = await overTcp(question, bytes, id);
  return 'failed' in message ? message : take(message, 'tcp');
}

function queryBytes(q: Ask, id: number): Buffer {
  const flags = (q.recursion === false ? 0 : Flag.RD) | (q.checkingDisabled === true ? Flag.CD : 0);
  const additional = [optRecord(UDP_SIZE, q.dnssecOk === true)];
  return writeMessage({ id, flags, question: { name: q.name, type: q.type, class: Class.IN }, additional });
}

/** Whether a message answers what was asked: id, QR and the question, letters' case aside. */
function answers(q: Ask, id: number, message: Message | undefined): message is Message {
  if (message === undefined || message.id !== id || (message.flags & Flag.QR) === 0) return false;
  const echo = message.questions[0];
  // FORMERR may come without the question.
  if (echo === undefined) return (message.flags & 15) !== 0;
  return echo.type === q.type && echo.name.toLowerCase() === q.name.toLowerCase().replace(/(.)\.$/, '$1');
}

function overUdp(q: Ask, bytes: Buffer, id: number): Promise<Message | { failed: string }> {
  const socket = createSocket(isIPv6(q.address) ? 'udp6' : 'udp4');
  const { promise, resolve } = Promise.withResolvers<Message | { failed: string }>();
  const timer = setTimeout(() => resolve({ failed: 'no answer' }), q.timeoutMs ?? TIMEOUT_MS);
  socket.on('error', (error) => resolve({ failed: words(error) }));
  socket.on('message', (answer) => {
    const message = readMessage(answer);
    if (answers(q, id, message)) resolve(message);
  });
  socket.bind({ port: 0, ...(q.from === undefined ? {} : { address: q.from }) }, () => {
    socket.connect(q.port, q.address, () => socket.send(bytes, () => {}));
  });
  return promise.finally(() => {
    clearTimeout(timer);
    socket.close();
  });
}

function overTcp(q: Ask, bytes: Buffer, id: number): Promise<Message | { failed: string }> {
  const { promise, resolve } = Promise.withResolvers<Message | { failed: string }>();
  const socket = connect({ host: q.address, port: q.port, ...(q.from === undefined ? {} : { localAddress: q.from }) });
  const timer = setTimeout(() => resolve({ failed: 'no answer over TCP' }), q.timeoutMs ?? TIMEOUT_MS);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  let rest: Buffer = Buffer.alloc(0);
  socket.on('error', (error) => resolve({ failed: words(error) }));
  socket.on('close', () => resolve({ failed: 'the connection was closed without an answer' }));
  socket.on('connect', () => socket.write(Buffer.concat([length, bytes])));
  socket.on('data', (chunk: Buffer) => {
    // One message of at most 65,535 octets is waited for.
    rest = Buffer.concat([rest, chunk]);
    if (rest.length < 2 || rest.length < 2 + rest.readUInt16BE(0)) return;
    const message = readMessage(Buffer.from(rest.subarray(2, 2 + rest.readUInt16BE(0))));
    resolve(answers(q, id, message) ? message : { failed: 'an answer to another question' });
  });
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

const words = (error: Error): string => {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ECONNREFUSED') return 'nothing listens there';
  if (code === 'EADDRNOTAVAIL') return 'the source address is not ours';
  return code ?? error.message;
};
