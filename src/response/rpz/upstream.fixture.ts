// For tests: the "internet" behind the resolvers. One UDP and TCP server that answers every name below evil.example and
// corp.example, denies all else with the root's SOA, and keeps the names it was asked, so that leaks are seen.
import { createSocket, type Socket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import { type NewRecord, readMessage, Type, wireName, writeMessage } from '../wire/index.ts';

export interface Upstream {
  readonly port: number;
  readonly asked: string[];
  close(): void;
}

const soa = (zone: string): NewRecord => ({
  name: zone,
  type: Type.SOA,
  ttl: 60,
  data: Buffer.concat([
    wireName('ns.test'),
    wireName('host.test'),
    Buffer.from([0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 60]),
  ]),
});

function respond(bytes: Buffer, asked: string[]): Buffer | undefined {
  const message = readMessage(bytes);
  const question = message?.questions[0];
  if (message === undefined || question === undefined) return undefined;
  const name = question.name.toLowerCase();
  asked.push(name);
  const zone = /(?:^|\.)((?:evil|corp|other)\.example)$/.exec(name)?.[1];
  // alias.corp.example leads to an innocent CNAME whose target may be blocked.
  const target = name === 'alias.corp.example' ? 'x.t.evil.example' : undefined;
  const answers: NewRecord[] = [];
  if (target !== undefined) answers.push({ name, type: Type.CNAME, ttl: 60, data: wireName(target) });
  else if (zone !== undefined && question.type === Type.A && !name.startsWith('void.'))
    answers.push({ name, type: Type.A, ttl: 60, data: Buffer.from([203, 0, 113, 9]) });
  const rcode = zone === undefined && name !== '.' ? 3 : name.startsWith('void.') ? 3 : 0;
  return writeMessage({
    id: message.id,
    flags: 0x8480 | (message.flags & 0x0100) | rcode,
    question,
    answers,
    ...(answers.length === 0 ? { authority: [soa(zone ?? '.')] } : {}),
  });
}

export async function startUpstream(): Promise<Upstream> {
  const asked: string[] = [];
  const tcp: Server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      const reply = chunk.length > 2 ? respond(chunk.subarray(2), asked) : undefined;
      if (reply !== undefined)
        socket.write(Buffer.concat([Buffer.from([reply.length >> 8, reply.length & 255]), reply]));
    });
  });
  await new Promise<void>((done) => tcp.listen(0, '127.0.0.1', done));
  const { port } = tcp.address() as { port: number };
  const udp: Socket = createSocket('udp4');
  await new Promise<void>((done) => udp.bind(port, '127.0.0.1', done));
  udp.on('message', (bytes, from) => {
    const reply = respond(bytes, asked);
    if (reply !== undefined) udp.send(reply, from.port, from.address);
  });
  return {
    port,
    asked,
    close: () => {
      tcp.close();
      udp.close();
    },
  };
}
