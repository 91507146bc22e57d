// The server as others see it: dig, kdig, named-checkzone, and whoever sends rubbish.
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Consumer, Endpoint } from '../config.ts';
import { Flag, Rcode, readMessage, Type, writeMessage } from '../wire/index.ts';
import { answer } from './answer.ts';
import { arrange } from './arrange.ts';
import { writeZoneFile } from './file.ts';
import { Notifier } from './notify.ts';
import { type Rule, readRules } from './rule.ts';
import { ZoneServer } from './server.ts';
import { PolicyZone } from './zone.ts';

const run = promisify(execFile);
const tool = (name: string): boolean => {
  if (existsSync(`/usr/bin/${name}`)) return true;
  console.log(`skipped: ${name} is not installed`);
  return false;
};
const now = (): number => Math.floor(Date.now() / 1000);
const dir = mkdtempSync(join(tmpdir(), 'rpz-server-'));
const secret = Buffer.alloc(32, 9);
const base64 = secret.toString('base64');

const zone = new PolicyZone({ name: 'parapet.rpz', ttlSeconds: 10 });
const publish = (...records: string[]): void => {
  const rules = arrange(readRules(records, zone.name) as Rule[]);
  zone.apply(zone.plan(rules as Rule[], now() * 1e6));
};
const readers = [
  { name: 'plain', address: '127.0.0.1' },
  { name: 'keyed', address: '127.0.0.2', key: { name: 'k.parapet', secret } },
];
const server = new ZoneServer(() => ({ zone, readers }), now);
let at: Endpoint;

/** dig's lines without comments, blanks joined. */
async function dig(...args: string[]): Promise<{ lines: string[]; text: string }> {
  const { stdout } = await run('dig', ['@127.0.0.1', '-p', String(at.port), '+time=2', '+tries=1', ...args]).catch(
    (e) => e as { stdout: string },
  );
  const lines = stdout
    .split('\n')
    .filter((l) => l !== '' && !l.startsWith(';'))
    .map((l) => l.replace(/\s+/g, ' '));
  return { lines, text: stdout };
}
const many = Array.from({ length: 1500 }, (_, i) => `*.n${i}-${'x'.repeat(40)}.evil.example CNAME .`);

beforeAll(async () => {
  publish('t.evil.example CNAME .', '*.t.evil.example CNAME .');
  at = await server.listen({ address: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await server.close();
  rmSync(dir, { recursive: true, force: true });
});

describe.skipIf(!tool('dig'))('transfers, by dig', () => {
  it('AXFR gives the zone, and named-checkzone accepts it (public fault 23, NLnetLabs/unbound#754)', async () => {
    const { lines } = await dig('AXFR', 'parapet.rpz');
    expect(lines[0]).toBe(`parapet.rpz. 10 IN SOA localhost. hostmaster.localhost. ${zone.serial} 5 5 86400 10`);
    expect(lines).toContain('*.t.evil.example.parapet.rpz. 10 IN CNAME .');
    expect(lines.at(-1)).toBe(lines[0]);
    if (!existsSync('/usr/bin/named-checkzone')) return;
    const file = join(dir, 'axfr.zone');
    writeFileSync(file, `${lines.slice(0, -1).join('\n')}\n`);
    expect((await run('named-checkzone', ['-i', 'full', 'parapet.rpz', file])).stdout).toMatch(/\nOK/);
    expect(writeZoneFile(join(dir, 'own.zone'), zone.text())).toBeUndefined();
    expect((await run('named-checkzone', ['-i', 'full', 'parapet.rpz', join(dir, 'own.zone')])).stdout).toMatch(/\nOK/);
  });

  it('AXFR of many messages is whole, signed and unsigned', async () => {
    const before = zone.lines.map((l) => l);
    publish(...many);
    for (const args of [[], ['-b', '127.0.0.2', '-y', `hmac-sha256:k.parapet:${base64}`]]) {
      const { lines, text } = await dig('AXFR', 'parapet.rpz', '+onesoa', ...args);
      expect(lines.filter((l) => l.includes(' CNAME '))).toHaveLength(1500);
      expect(Number(/messages (\d+)/.exec(text)![1])).toBeGreaterThan(5);
      expect(text).not.toMatch(/could not be validated|tsig verify failure|Some TSIG/i);
    }
    publish(...before.filter((l) => !l.includes('.internal ')));
  });

  it('IXFR gives the steps; who is current, the SOA; who is too far behind, the whole', async () => {
    const from = zone.serial;
    publish(...Array.from({ length: 40 }, (_, i) => `x${i}.evil.example CNAME .`));
    const behind = zone.serial;
    publish(...Array.from({ length: 41 }, (_, i) => `x${i}.evil.example CNAME .`));
    const { lines } = await dig(`IXFR=${behind}`, 'parapet.rpz');
    expect(lines.map((l) => l.split(' ')[3])).toEqual([
      'SOA',
      'SOA',
      'AAAA',
      'AAAA',
      'SOA',
      'AAAA',
      'AAAA',
      'CNAME',
      'SOA',
    ]);
    expect(lines[0]).toContain(String(zone.serial));
    expect(lines[1]).toContain(String(behind));
    expect((await dig(`IXFR=${from}`, 'parapet.rpz')).lines.filter((l) => l.includes('SOA')).length).toBeGreaterThan(1);
    expect((await dig(`IXFR=${zone.serial}`, 'parapet.rpz')).lines).toHaveLength(1);
    const whole = (await dig('IXFR=1', 'parapet.rpz')).lines;
    expect(whole[1]).toMatch(/ NS localhost\./);
  });

  it('IXFR over UDP answers with the SOA alone', async () => {
    const { lines } = await dig('+notcp', 'IXFR=1', 'parapet.rpz');
    expect(lines.length === 1 || lines.length > 40).toBe(true);
    const udp = answer(
      { bytes: ixfr(1), address: '127.0.0.1', transport: 'udp', nowSeconds: now() },
      { zone, readers },
    )!;
    const message = readMessage([...udp.messages][0]!)!;
    expect(message.answers.map((r) => r.type)).toEqual([Type.SOA]);
  });

  it('a transfer without the right to it is REFUSED; a wrong key, NOTAUTH', async () => {
    expect((await dig('AXFR', 'parapet.rpz', '-b', '127.0.0.9')).text).toMatch(/Transfer failed/);
    expect((await dig('AXFR', 'parapet.rpz', '-b', '127.0.0.2')).text).toMatch(/Transfer failed/);
    expect((await dig('SOA', 'parapet.rpz', '-b', '127.0.0.2')).lines).toHaveLength(1);
    expect((await dig('SOA', 'parapet.rpz', '-b', '127.0.0.9')).text).toMatch(/status: REFUSED/);
    expect((await dig('A', 't.evil.example.parapet.rpz')).text).toMatch(/status: REFUSED/);
    expect((await dig('A', 'www.example')).text).toMatch(/status: REFUSED/);
    expect((await dig('version.bind', 'TXT', 'CH')).text).toMatch(/status: REFUSED/);
    const wrong = Buffer.alloc(32, 1).toString('base64');
    expect((await dig('SOA', 'parapet.rpz', '-y', `hmac-sha256:k.parapet:${wrong}`)).text).toMatch(/BADSIG/);
    expect((await dig('SOA', 'parapet.rpz', '-y', `hmac-sha256:nobody:${wrong}`)).text).toMatch(/BADKEY/);
    expect((await dig('SOA', 'parapet.rpz', '-y', `hmac-sha256:k.parapet:${base64}`)).text).toMatch(/TSIG/);
  });
});

describe.skipIf(!tool('kdig'))('transfers, by kdig', () => {
  it('AXFR and IXFR verify with a key', async () => {
    const key = `hmac-sha256:k.parapet:${base64}`;
    const kdig = (...args: string[]) => run('kdig', ['@127.0.0.1', '-p', String(at.port), '-y', key, ...args]);
    const axfr = await kdig('AXFR', 'parapet.rpz');
    expect(axfr.stdout).toContain('SOA');
    expect(axfr.stderr + axfr.stdout).not.toMatch(/WARNING|;; ERROR|failed/);
    const ixfr = await kdig(`IXFR=${zone.serial - 1}`, 'parapet.rpz');
    expect(ixfr.stderr + ixfr.stdout).not.toMatch(/WARNING|;; ERROR|failed/);
  });
});

function ixfr(serial: number): Buffer {
  return writeMessage({
    id: 1,
    flags: 0,
    question: { name: 'parapet.rpz', type: Type.IXFR, class: 1 },
    authority: [zone.soa(serial)],
  });
}

describe('hostile input', () => {
  it('10,000 changed requests are answered or dropped, and never by more than they ask for', () => {
    let state = 1;
    const chance = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % below;
    };
    const seeds = [
      ixfr(1),
      writeMessage({ id: 2, flags: Flag.RD, question: { name: 'parapet.rpz', type: Type.AXFR, class: 1 } }),
    ];
    for (let i = 0; i < 10_000; i++) {
      const bytes = Buffer.from(seeds[i & 1]!).subarray(0, seeds[i & 1]!.length - (chance(4) === 0 ? chance(30) : 0));
      for (let n = chance(6); n > 0; n--) bytes[chance(bytes.length)] = chance(256);
      for (const address of ['127.0.0.1', '192.0.2.1']) {
        const reply = answer({ bytes, address, transport: 'udp', nowSeconds: 1 }, { zone, readers });
        const messages = reply === undefined ? [] : [...reply.messages];
        expect(messages.length).toBeLessThanOrEqual(1);
        for (const m of messages) {
          expect(readMessage(m)!.broken).toBe(false);
          expect(m.length).toBeLessThanOrEqual(address === '127.0.0.1' ? bytes.length + 120 : bytes.length + 30);
        }
      }
    }
  });

  it('UPDATE, NOTIFY, several questions and answers get what they deserve', () => {
    const rcode = (bytes: Buffer): number | undefined => {
      const reply = answer({ bytes, address: '127.0.0.1', transport: 'udp', nowSeconds: 1 }, { zone, readers });
      return reply === undefined ? undefined : readMessage([...reply.messages][0]!)!.flags & 15;
    };
    const question = { name: 'parapet.rpz', type: Type.SOA, class: 1 };
    expect(rcode(writeMessage({ id: 1, flags: 5 << 11, question }))).toBe(Rcode.Refused);
    expect(rcode(writeMessage({ id: 1, flags: 4 << 11, question }))).toBe(Rcode.Refused);
    expect(rcode(writeMessage({ id: 1, flags: 0 }))).toBe(Rcode.FormErr);
    expect(rcode(writeMessage({ id: 1, flags: Flag.QR, question }))).toBeUndefined();
    expect(rcode(Buffer.alloc(11))).toBeUndefined();
  });

  it('rubbish over UDP and TCP, half requests and a crowd leave it serving', async () => {
    const udp = createSocket('udp4');
    for (let i = 0; i < 200; i++)
      udp.send(Buffer.from(Array.from({ length: i }, () => (i * 31) & 255)), at.port, '127.0.0.1');
    const sockets = Array.from({ length: 40 }, (_, i) => {
      const s = connect(at.port, '127.0.0.1');
      s.on('error', () => {});
      s.write(i % 2 === 0 ? Buffer.from([0, 40, 1, 2, 3]) : Buffer.alloc(5000, 0xff));
      return s;
    });
    await new Promise((done) => setTimeout(done, 300));
    for (const s of sockets) s.destroy();
    udp.close();
    await new Promise((done) => setTimeout(done, 100));
    expect(server.counts.shed).toBeGreaterThan(0);
    const socket = connect(at.port, '127.0.0.1');
    const request = writeMessage({ id: 5, flags: 0, question: { name: 'parapet.rpz', type: Type.SOA, class: 1 } });
    // Two requests in one segment (RFC 7766, 6.2.1.1).
    const framed = Buffer.concat([Buffer.from([0, request.length]), request]);
    socket.write(Buffer.concat([framed, framed]));
    const reply = await new Promise<Buffer>((done) => {
      let all = Buffer.alloc(0);
      socket.on('data', (d: Buffer) => {
        all = Buffer.concat([all, d]);
        if (all.length >= 2 * (2 + all.readUInt16BE(0))) done(all);
      });
    });
    socket.destroy();
    expect(readMessage(reply.subarray(2, 2 + reply.readUInt16BE(0)))!.answers).toHaveLength(1);
  });
});

describe('NOTIFY (RFC 1996)', () => {
  it('is sent again until acknowledged, and then no more', async () => {
    const peer = createSocket('udp4');
    await new Promise<void>((done) => peer.bind(0, '127.0.0.1', done));
    const { port } = peer.address();
    const got: Buffer[] = [];
    let answering = false;
    peer.on('message', (bytes, from) => {
      got.push(bytes);
      const { id, questions, flags } = readMessage(bytes)!;
      if (answering)
        peer.send(writeMessage({ id, flags: flags | Flag.QR, question: questions[0]! }), from.port, from.address);
    });
    const consumer: Consumer = {
      name: 'r',
      kind: 'bind',
      address: '127.0.0.1',
      notify: { address: '127.0.0.1', port },
    };
    const notifier = new Notifier(zone, [consumer], '127.0.0.1', now);
    notifier.send();
    await new Promise((done) => setTimeout(done, 400));
    expect(got.length).toBeGreaterThanOrEqual(2);
    expect(notifier.states[0]).toMatchObject({ waiting: true, acknowledged: undefined });
    expect(readMessage(got[0]!)!.answers[0]!.type).toBe(Type.SOA);
    answering = true;
    await new Promise((done) => setTimeout(done, 700));
    expect(notifier.states[0]).toMatchObject({ waiting: false, acknowledged: zone.serial });
    const count = got.length;
    await new Promise((done) => setTimeout(done, 300));
    expect(got).toHaveLength(count);
    notifier.close();
    peer.close();
  });
});

describe('the zone as a file', () => {
  it('is there whole or not at all', () => {
    const path = join(dir, 'z');
    expect(writeZoneFile(path, zone.text())).toBeUndefined();
    expect(readFileSync(path, 'utf8')).toBe(zone.text());
    expect(writeZoneFile(join(dir, 'absent', 'z'), 'x')).toMatch(/ENOENT/);
  });
});
