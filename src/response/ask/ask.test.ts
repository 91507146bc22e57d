import { createSocket, type Socket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Flag, readMessage, Type, writeMessage } from '../wire/index.ts';
import { ask } from './index.ts';

/** A resolver that does what the first label says. */
let udp: Socket;
let tcp: Server;
let port = 0;
const from: string[] = [];
const ids = new Set<number>();

function reply(bytes: Buffer, overTcp: boolean): Buffer[] {
  const { id, questions } = readMessage(bytes)!;
  const question = questions[0]!;
  ids.add(id);
  const a = { name: question.name, type: Type.A, ttl: 5, data: Buffer.from([192, 0, 2, 1]) };
  const good = writeMessage({ id, flags: Flag.QR | Flag.RA, question, answers: [a] });
  const how = question.name.split('.')[0];
  if (how === 'silent') return [];
  if (how === 'cut' && !overTcp) return [writeMessage({ id, flags: Flag.QR | Flag.TC, question })];
  if (how === 'forged')
    return [
      writeMessage({ id: id ^ 1, flags: Flag.QR | 3, question }),
      writeMessage({ id, flags: Flag.QR | 3, question: { ...question, name: 'other.example' } }),
      writeMessage({ id, flags: 3, question }),
      Buffer.from([1, 2, 3]),
      good,
    ];
  return [good];
}

beforeAll(async () => {
  tcp = createServer((s) => {
    s.on('error', () => {});
    s.on('data', (d: Buffer) => {
      from.push(s.remoteAddress!);
      for (const m of reply(d.subarray(2), true)) {
        const framed = Buffer.concat([Buffer.from([m.length >> 8, m.length & 255]), m]);
        s.write(framed.subarray(0, 5));
        setTimeout(() => s.write(framed.subarray(5)), 20);
      }
    });
  });
  await new Promise<void>((done) => tcp.listen(0, '127.0.0.1', done));
  port = (tcp.address() as { port: number }).port;
  udp = createSocket('udp4');
  await new Promise<void>((done) => udp.bind(port, '127.0.0.1', done));
  udp.on('message', (d, peer) => {
    from.push(peer.address);
    for (const m of reply(d, false)) udp.send(m, peer.port, peer.address);
  });
});
afterAll(() => {
  udp.close();
  tcp.close();
});
const at = (name: string, more: object = {}) =>
  ask({ address: '127.0.0.1', port, name, type: Type.A, timeoutMs: 500, ...more });

describe('asking', () => {
  it('gives rcode, flags and answers, from the source address that was told', async () => {
    from.length = 0;
    const r = await at('plain.example', { from: '127.0.0.77' });
    expect(r).toMatchObject({ rcode: 0, transport: 'udp', answers: [{ type: Type.A }] });
    expect(from).toEqual(['127.0.0.77']);
  });

  it('takes TCP where the answer was cut, in two pieces too', async () => {
    from.length = 0;
    expect(await at('cut.example', { from: '127.0.0.78' })).toMatchObject({
      transport: 'tcp',
      answers: [{ type: Type.A }],
    });
    expect(from).toEqual(['127.0.0.78', '127.0.0.78']);
  });

  it('believes no answer to another question, id or direction', async () => {
    expect(await at('forged.example')).toMatchObject({ rcode: 0, answers: [{ type: Type.A }] });
  });

  it('says in words what failed, and throws nothing', async () => {
    expect(await at('silent.example', { timeoutMs: 50 })).toEqual({ failed: 'no answer' });
    expect(await at('x..example')).toEqual({ failed: 'x..example is no domain name' });
    expect(await at('plain.example', { from: '192.0.2.1' })).toEqual({ failed: 'the source address is not ours' });
    expect(await at('plain.example', { port: 9, tcp: true })).toEqual({ failed: 'nothing listens there' });
    expect(await at('plain.example', { port: 9 })).toEqual({ failed: 'nothing listens there' });
  });

  it('takes another id each time', async () => {
    ids.clear();
    for (let i = 0; i < 20; i++) await at('plain.example');
    expect(ids.size).toBeGreaterThan(15);
  });
});
