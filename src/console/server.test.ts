import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Console, startConsole } from './server.ts';
import { actions, findings, TestSource } from './testing.ts';

let source: TestSource;
let server: Console;
let pageDir: string;

beforeEach(async () => {
  pageDir = mkdtempSync(join(tmpdir(), 'parapet-page-'));
  writeFileSync(join(pageDir, 'index.html'), '<!doctype html><title>Parapet</title>');
  source = TestSource.underAttack();
  server = await startConsole({ port: 0, source, pageDir });
});
afterEach(async () => {
  await server.close();
  rmSync(pageDir, { recursive: true });
});

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

/** By node:http, since fetch doesn't let a test choose Host and Origin. */
function ask(method: string, path: string, headers: Record<string, string> = {}, body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: server.port, method, path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function changeHeaders(): Promise<Record<string, string>> {
  const { token } = JSON.parse((await ask('GET', '/api/state')).body) as { token: string };
  return {
    'content-type': 'application/json',
    origin: `http://127.0.0.1:${server.port}`,
    'x-parapet-token': token,
  };
}

/** Opens the stream and gives events as they come; `until` waits for the first that fits. */
function listen(path: string, headers: Record<string, string> = {}) {
  const events: { event: string; id: string; data: string }[] = [];
  const waiters: (() => void)[] = [];
  let buffer = '';
  const sent = request({ host: '127.0.0.1', port: server.port, path, headers }, (response) => {
    response.setEncoding('utf8');
    response.on('error', () => {});
    response.on('data', (part: string) => {
      buffer += part;
      for (let end = buffer.indexOf('\n\n'); end >= 0; end = buffer.indexOf('\n\n')) {
        const field = (name: string): string =>
          new RegExp(`^${name}: (.*)$`, 'm').exec(buffer.slice(0, end))?.[1] ?? '';
        if (field('event') !== '') events.push({ event: field('event'), id: field('id'), data: field('data') });
        buffer = buffer.slice(end + 2);
      }
      for (const wake of waiters.splice(0)) wake();
    });
  });
  sent.on('error', () => {});
  sent.end();
  return {
    events,
    async until(test: (e: { event: string; data: string }) => boolean) {
      for (;;) {
        const found = events.find(test);
        if (found !== undefined) return found;
        await new Promise<void>((resolve) => waiters.push(resolve));
      }
    },
    close: () => sent.destroy(),
  };
}

describe('the page and the state', () => {
  it('serves the page under a policy that allows nothing inline and nothing from elsewhere', async () => {
    const page = await ask('GET', '/');
    expect(page.status).toBe(200);
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(page.headers['x-content-type-options']).toBe('nosniff');
    const policy = String(page.headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
  });

  it('answers a page it served before with 304', async () => {
    const { etag } = (await ask('GET', '/')).headers;
    expect((await ask('GET', '/', { 'if-none-match': String(etag) })).status).toBe(304);
  });

  it('gives the whole state with ISO times', async () => {
    const answer = await ask('GET', '/api/state');
    const state = JSON.parse(answer.body);
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(state.progress.at).toBe('2026-03-12T14:05:12.000000Z');
    expect(state.holds[0].expiresAt).toBe('2026-03-12T14:20:12.000000Z');
    expect(state.grid.buses).toHaveLength(118);
    expect(state.grid.branches).toHaveLength(186);
  });

  it('gives one finding with its evidence, and 404 for an unknown one', async () => {
    const answer = await ask('GET', '/api/findings/f-dns');
    expect(JSON.parse(answer.body).evidence[0]).toEqual({ file: 'network.pcap', frame: 20411 });
    expect((await ask('GET', '/api/findings/none')).status).toBe(404);
    expect((await ask('GET', '/api/findings/%E0%A4%A')).status).toBe(404);
  });

  it('never reads a path from a request', async () => {
    for (const path of ['/../server.ts', '/%2e%2e/server.ts', '/..%2fserver.ts', '//etc/passwd'])
      expect((await ask('GET', path)).status).toBe(404);
  });

  it('tells its health', async () => {
    expect(JSON.parse((await ask('GET', '/api/health')).body)).toMatchObject({ ok: true, clientCount: 0 });
  });

  it('refuses to start without a page, and on a port that is taken, saying what to do', async () => {
    await expect(startConsole({ port: 0, source, pageDir: join(pageDir, 'none') })).rejects.toThrow(/CONSOLE_NO_PAGE/);
    await expect(startConsole({ port: server.port, source, pageDir })).rejects.toThrow(/CONSOLE_PORT/);
  });
});

describe('the fences', () => {
  it('answers under no other name than its own (DNS rebinding)', async () => {
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '10.0.0.1', 'localhost.'])
      expect((await ask('GET', '/api/state', { host })).status).toBe(421);
    for (const host of [`localhost:${server.port}`, `127.0.0.1:${server.port}`, `[::1]:${server.port}`])
      expect((await ask('GET', '/api/state', { host })).status).toBe(200);
  });

  it('takes no answer from another site, without an origin, or without the token', async () => {
    const good = await changeHeaders();
    const body = '{"person":"A. Okafor"}';
    const path = '/api/holds/cmd-204/release';
    const { origin: _origin, ...nowhere } = good;
    const { 'x-parapet-token': _token, ...tokenless } = good;
    expect((await ask('POST', path, { ...good, origin: 'http://evil.example' }, body)).status).toBe(403);
    expect((await ask('POST', path, { ...good, origin: 'null' }, body)).status).toBe(403);
    expect((await ask('POST', path, { ...good, 'sec-fetch-site': 'same-site' }, body)).status).toBe(403);
    expect((await ask('POST', path, nowhere, body)).status).toBe(403);
    expect((await ask('POST', path, tokenless, body)).status).toBe(403);
    expect((await ask('POST', path, { ...good, 'x-parapet-token': 'x'.repeat(32) }, body)).status).toBe(403);
    expect(source.holds.get('cmd-204')!.approvals).toEqual([]);
  });

  it('takes only a short JSON answer with a plain name', async () => {
    const good = await changeHeaders();
    const path = '/api/holds/cmd-204/release';
    expect((await ask('POST', path, { ...good, 'content-type': 'text/plain' }, '{"person":"A"}')).status).toBe(415);
    expect((await ask('POST', path, good, JSON.stringify({ person: 'x'.repeat(5000) }))).status).toBe(413);
    for (const body of [
      '',
      '{',
      'null',
      '[]',
      '{}',
      '{"person":7}',
      '{"person":"  "}',
      '{"person":"A\\u202eB"}',
      '{"person":"A\\nB"}',
    ])
      expect((await ask('POST', path, good, body)).status, body).toBe(400);
    expect((await ask('PUT', path, good, '{}')).status).toBe(405);
    expect((await ask('POST', '/api/holds/none/release', good, '{"person":"A"}')).status).toBe(404);
    expect((await ask('POST', '/api/holds/cmd-204/approve', good, '{"person":"A"}')).status).toBe(404);
  });
});

describe('answers to a held command', () => {
  const say = async (answer: string, person: string, digest?: string) =>
    ask('POST', `/api/holds/cmd-204/${answer}`, await changeHeaders(), JSON.stringify({ person, digest }));

  it('needs two different people to release', async () => {
    expect((await say('release', 'A. Okafor')).status).toBe(200);
    for (const again of ['A. Okafor', 'a. okafor ', 'A.  OKAFOR'])
      expect((await say('release', again)).status, again).toBe(409);
    expect(source.executed).toEqual([]);
    expect((await say('release', 'J. Lindqvist')).status).toBe(200);
    expect(source.executed).toEqual(['cmd-204']);
    expect((await say('release', 'M. Tanaka')).status).toBe(409);
    expect(source.executed).toEqual(['cmd-204']);
  });

  it('passes on what the person saw, and the source refuses another command under the same id', async () => {
    const answer = await say('release', 'A. Okafor', 'sha256:other');
    expect(answer.status).toBe(409);
    expect(source.holds.get('cmd-204')!.approvals).toEqual([]);
  });

  it('is refused by one person, and stays refused', async () => {
    expect((await say('refuse', 'A. Okafor')).status).toBe(200);
    expect((await say('release', 'J. Lindqvist')).status).toBe(409);
    expect(source.executed).toEqual([]);
  });
});

describe('answers to an action', () => {
  const seen = actions[0]!.records.map((r) => r.record);
  const say = async (id: string, answer: string, body: object = { person: 'A. Okafor', records: seen }) =>
    ask('POST', `/api/actions/${id}/${answer}`, await changeHeaders(), JSON.stringify(body));

  it('are in the state, with the resolvers and what can not be seen', async () => {
    const state = JSON.parse((await ask('GET', '/api/state')).body) as Record<string, unknown>;
    expect(state).toMatchObject({ responds: true, consumers: ['unbound-east', 'bind-west'] });
    expect((state.actions as unknown[]).length).toBe(actions.length);
    expect((state.actions as { until: string }[])[1]!.until).toBe('2026-03-12T17:47:12.000000Z');
    expect((state.coverage as { what: string }[])[0]!.what).toBe('dns-encrypted');
  });

  it('enforce what is proposed and undo what is in force, once', async () => {
    expect((await say('a-new', 'enforce')).status).toBe(200);
    expect((await say('a-new', 'enforce')).status).toBe(409);
    expect((await say('a-new', 'undo')).status).toBe(200);
    expect((await say('a-new', 'undo')).status).toBe(409);
    expect(source.responded).toEqual(['enforce a-new A. Okafor', 'undo a-new A. Okafor']);
  });

  it('never undo what was only proposed, nor enforce what may not be', async () => {
    expect((await say('a-new', 'undo')).status).toBe(409);
    const records = ['exampleville.example CNAME .'];
    expect((await say('a-no', 'enforce', { person: 'A', records })).status).toBe(409);
    expect((await say('a-none', 'enforce')).status).toBe(404);
    expect((await say('a-new', 'drop')).status).toBe(404);
    expect(source.responded).toEqual([]);
  });

  it('undo what is published and not confirmed, and never publish it twice', async () => {
    source.send({ type: 'action', data: { ...actions[0]!, until: 2e15 } });
    expect((await say('a-new', 'enforce')).status).toBe(409);
    expect((await say('a-new', 'undo')).status).toBe(200);
    expect(source.responded).toEqual(['undo a-new A. Okafor']);
  });

  it('need a name, and the records as they were read', async () => {
    expect((await say('a-new', 'enforce', { records: seen })).status).toBe(400);
    for (const records of [undefined, [], ['*.example CNAME .'], [...seen].reverse(), seen.join()])
      expect((await say('a-new', 'enforce', { person: 'A', records })).status).toBe(409);
    expect(source.responded).toEqual([]);
  });

  it('pass on why it was not done', async () => {
    const answer = await say('a-new', 'enforce', { person: 'Nobody', records: seen });
    expect(answer).toMatchObject({ status: 409, body: '{"accepted":false,"text":"Nobody may not do that."}' });
  });

  it('count only from this page, as all answers do', async () => {
    const { 'x-parapet-token': _token, ...tokenless } = await changeHeaders();
    const body = JSON.stringify({ person: 'A', records: seen });
    expect((await ask('POST', '/api/actions/a-new/enforce', tokenless, body)).status).toBe(403);
    const elsewhere = { ...(await changeHeaders()), origin: 'http://evil.example' };
    expect((await ask('POST', '/api/actions/a-new/enforce', elsewhere, body)).status).toBe(403);
    expect(source.responded).toEqual([]);
  });

  it('are not taken where nothing responds', async () => {
    Object.assign(source, { respond: undefined });
    expect((await say('a-new', 'enforce')).status).toBe(404);
  });
});

describe('the stream', () => {
  it('brings what happens after the state was taken, in order', async () => {
    const { last } = JSON.parse((await ask('GET', '/api/state')).body) as { last: string };
    source.send({ type: 'finding', data: findings[0]! });
    const stream = listen(`/api/events?since=${last}`);
    source.send({ type: 'finding', data: findings[1]! });
    await stream.until((e) => e.data.includes('f-dns'));
    expect(stream.events.map((e) => (JSON.parse(e.data) as { id: string }).id)).toEqual(['f-sig', 'f-dns']);
    stream.close();
  });

  it('repeats what a reconnecting page missed', async () => {
    const { last } = JSON.parse((await ask('GET', '/api/state')).body) as { last: string };
    const first = listen(`/api/events?since=${last}`);
    source.send({ type: 'finding', data: findings[0]! });
    await first.until((e) => e.event === 'finding');
    first.close();
    source.send({ type: 'progress', data: { phase: 'end', at: 0, speed: 0, text: 'over' } });
    const again = listen('/api/events', { 'last-event-id': first.events[0]!.id });
    expect((await again.until(() => true)).event).toBe('progress');
    again.close();
  });

  it('tells a page from another start, or one too far behind, to take the whole state', async () => {
    for (const since of ['', 'feedface-3', 'x', '-1', '__proto__-1']) {
      const stream = listen(`/api/events?since=${encodeURIComponent(since)}`);
      expect((await stream.until(() => true)).event).toBe('reset');
      stream.close();
    }
    const { last } = JSON.parse((await ask('GET', '/api/state')).body) as { last: string };
    for (let i = 0; i < 2100; i++) source.send({ type: 'finding', data: findings[0]! });
    const stream = listen(`/api/events?since=${last}`);
    expect((await stream.until(() => true)).event).toBe('reset');
    stream.close();
  });

  it('turns away pages past its limit and stays well', async () => {
    const streams = Array.from({ length: 32 }, () => listen('/api/events'));
    await Promise.all(streams.map((s) => s.until(() => true)));
    expect((await ask('GET', '/api/events')).status).toBe(503);
    for (const s of streams) s.close();
  });

  it('keeps memory bounded for a page that never reads, and tells it to start over', async () => {
    const stuck = request({ host: '127.0.0.1', port: server.port, path: '/api/events' });
    const paused = await new Promise<import('node:http').IncomingMessage>((resolve) => {
      stuck.on('response', resolve);
      stuck.end();
    });
    paused.pause();
    const big = { ...findings[0]!, title: 'x'.repeat(20_000) };
    for (let i = 0; i < 1500; i++) source.send({ type: 'finding', data: big });
    paused.setEncoding('utf8');
    let text = '';
    await new Promise<void>((resolve) => {
      paused.on('data', (part: string) => {
        text += part;
        // The first reset greets a page that came without a position; the second is the overflow's.
        if (text.split('event: reset').length > 2) resolve();
      });
      paused.resume();
    });
    expect(text.split('event: finding').length).toBeLessThan(1500);
    stuck.destroy();
  });
});
