// The wall on real packets: three namespaces, a router between a field device and a server, rules from our own files and our own
// enforcer in the router. What is denied is dropped, what is allowed passes, a quarantine stops what runs already.
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { City } from '#city';
import type { Action, Fault } from '#findings';
import { Kernel, NftEnforcer, nftSettings } from '#response/nft';
import { conduitPolicy, nftables } from '#zones';
import { Namespaces, noNamespaces } from './netns.ts';

const device = '10.232.11.2';
const server = '10.232.12.2';
const healer = '10.232.12.9';

function missing(): string {
  for (const program of ['/usr/sbin/nft', '/usr/sbin/ip'])
    if (!existsSync(program)) return `${program} is not installed`;
  const why = noNamespaces();
  if (why !== '') return why;
  const probe = new Namespaces('pzp');
  try {
    probe.add('x');
    probe.inside('x', 'nft', 'add', 'table', 'inet', 'probe');
    return '';
  } catch {
    return 'this machine makes no network namespaces with nftables';
  } finally {
    probe.close();
  }
}
const why = missing();
if (why !== '') console.warn(`live zones: skipped, ${why}`);

const spaces = new Namespaces('pz');

/** Echoes TCP on 8883 and 9999 and UDP on 5000, on both addresses. */
const serverScript = `
import net from 'node:net'; import dgram from 'node:dgram';
for (const port of [8883, 9999]) net.createServer((s) => { s.on('error', () => {}); s.on('data', () => console.log('heard')); s.pipe(s); }).listen(port, '0.0.0.0');
for (const host of ['${server}', '${healer}']) {
  const u = dgram.createSocket('udp4'); u.bind(5000, host);
  u.on('message', (m, f) => u.send(m, f.port, f.address));
}
console.log(JSON.stringify({ ready: true }));`;

/** Does one thing a line: a new TCP talk, a UDP question, or a word on the talk that stays open. */
const deviceScript = `
import net from 'node:net'; import dgram from 'node:dgram'; import readline from 'node:readline';
let kept, waiting;
const say = (id, ok) => console.log(JSON.stringify({ id, ok }));
readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, what, host, port, ms } = JSON.parse(line);
  let isTold = false;
  const tell = (ok) => { if (!isTold) { isTold = true; say(id, ok); } };
  setTimeout(() => tell(false), ms);
  if (what === 'tcp') {
    const s = net.connect(port, host, () => s.write('hello'));
    s.on('data', () => { tell(true); s.destroy(); }).on('error', () => tell(false));
    setTimeout(() => s.destroy(), ms);
  } else if (what === 'udp') {
    const u = dgram.createSocket('udp4');
    u.on('message', () => { tell(true); }).on('error', () => tell(false));
    u.send('hello', port, host);
    setTimeout(() => u.close(), ms);
  } else if (what === 'open') {
    kept = net.connect(port, host, () => tell(true));
    kept.on('data', () => waiting?.()).on('error', () => {});
  } else { waiting = () => tell(true); if (what === 'say') kept.write('x'); }
});
console.log(JSON.stringify({ ready: true }));`;

const city = new City(
  {
    city: 'Exampleville',
    zones: [
      { name: 'field', level: 2 },
      { name: 'twin', level: 3 },
    ],
    networks: [
      { name: 'field', cidr: '10.232.11.0/24' },
      { name: 'twin', cidr: '10.232.12.0/24' },
    ],
    services: { 'mqtt-tls': 'tcp/8883' },
    conduits: [{ from: 'field', to: 'twin', services: ['mqtt-tls'] }],
  },
  '/',
);

describe.skipIf(why !== '')('the wall on real packets', () => {
  const dir = mkdtempSync(join(tmpdir(), 'parapet-zones-'));
  let mouth: (what: string, host?: string, port?: number, ms?: number) => Promise<boolean>;
  /** Pieces of TCP data that reached the server: a reply that is dropped must not pass for a word that never arrived. */
  let heard = 0;
  const now = (): number => Date.now() * 1000;
  const faults: Fault[] = [];
  const settings = nftSettings({ remediation: [healer] }, []);
  const wall = new NftEnforcer({
    city,
    settings,
    never: [server],
    now,
    own: [],
    commands: { nft: ['ip', 'netns', 'exec', spaces.name('wall'), 'nft'] },
    isWatching: false,
    onFault: (f) => faults.push(f),
  });
  const kernel = new Kernel({ nft: ['ip', 'netns', 'exec', spaces.name('wall'), 'nft'], conntrack: ['conntrack'] });
  const quarantine = (seconds: number, id = 'a'): Action => ({
    kind: 'action',
    id,
    at: now(),
    enforcer: 'nft',
    state: 'proposed',
    records: wall.proposeQuarantine(device).records,
    subject: device,
    client: device,
    until: now() + seconds * 1e6,
    because: [],
    by: 'ana',
    text: '',
    proofs: [],
  });

  async function child(space: string, script: string, file: string): Promise<ChildProcess> {
    const path = join(dir, file);
    writeFileSync(path, script);
    const p = spaces.spawn(file, space, process.execPath, path);
    await new Promise<void>((done) => p.stdout!.once('data', () => done()));
    return p;
  }

  beforeAll(async () => {
    spaces.add('device', 'wall', 'server');
    spaces.join(['device', 'd0'], ['wall', 'w0']);
    spaces.join(['server', 's0'], ['wall', 'w1']);
    for (const [space, address, link] of [
      ['device', `${device}/24`, 'd0'],
      ['wall', '10.232.11.1/24', 'w0'],
      ['wall', '10.232.12.1/24', 'w1'],
      ['server', `${server}/24`, 's0'],
      ['server', `${healer}/24`, 's0'],
    ] as const)
      spaces.ip(space, 'address', 'add', address, 'dev', link);
    spaces.ip('device', 'route', 'add', 'default', 'via', '10.232.11.1');
    spaces.ip('server', 'route', 'add', 'default', 'via', '10.232.12.1');
    spaces.inside('wall', 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
    const far = await child('server', serverScript, 'server.mjs');
    far.stdout!.on('data', (chunk: Buffer) => {
      heard += chunk.toString().split('heard').length - 1;
    });
    const p = await child('device', deviceScript, 'device.mjs');
    const answers = new Map<number, (ok: boolean) => void>();
    createInterface({ input: p.stdout! }).on('line', (line) => {
      const { id, ok } = JSON.parse(line) as { id: number; ok: boolean };
      answers.get(id)?.(ok);
    });
    let next = 0;
    mouth = (what, host = server, port = 8883, ms = 1000) =>
      new Promise((done) => {
        const id = ++next;
        answers.set(id, done);
        p.stdin!.write(`${JSON.stringify({ id, what, host, port, ms })}\n`);
      });
  });

  afterAll(async () => {
    await wall.close();
    spaces.close();
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  });

  const load = (mode: 'audit' | 'enforce'): void => {
    const text = nftables(city, conduitPolicy(city).policy, { mode });
    expect(kernel.check(text)).toMatchObject({ ok: true });
    expect(kernel.apply(text.split('\n'))).toMatchObject({ ok: true });
  };
  const list = (): string => spaces.inside('wall', 'nft', 'list', 'table', 'inet', 'parapet');

  it('audit lets all pass and counts what no conduit allows', async () => {
    load('audit');
    expect(await mouth('tcp')).toBe(true);
    expect(await mouth('tcp', server, 9999)).toBe(true);
    expect(list()).toMatch(/counter packets [1-9]\d* bytes \d+ accept comment "no conduit allows it"/);
  });

  it('enforced: the conduit passes, another port and another protocol are dropped', async () => {
    load('enforce');
    expect(await mouth('tcp')).toBe(true);
    expect(await mouth('tcp', server, 9999)).toBe(false);
    expect(await mouth('udp', server, 5000)).toBe(false);
    expect(list()).toMatch(/counter packets [1-9]\d* bytes \d+ drop comment "no conduit allows it"/);
  });

  it("the file's own quarantine set alone, filled by hand, stops a running talk too", async () => {
    expect(await mouth('open')).toBe(true);
    expect(await mouth('say')).toBe(true);
    spaces.inside('wall', 'nft', 'add', 'element', 'inet', 'parapet', 'quarantine', `{ ${device} timeout 60s }`);
    expect(await mouth('say', server, 8883, 500)).toBe(false);
    spaces.inside('wall', 'nft', 'delete', 'element', 'inet', 'parapet', 'quarantine', `{ ${device} }`);
    expect(await mouth('wait', server, 8883, 5000)).toBe(true);
  });

  it('a quarantine stalls the talk that runs, leaves the remediation host alone, and an undo lets the talk go on', async () => {
    // The wall alone, beside another's rules that let running flows pass.
    spaces.inside('wall', 'nft', 'flush', 'ruleset');
    for (const line of [
      'add table inet other',
      'add chain inet other f { type filter hook forward priority filter; policy accept; }',
      'add rule inet other f ct state established,related accept',
    ])
      spaces.inside('wall', 'nft', line);
    expect(await mouth('open')).toBe(true);
    const first = heard;
    expect(await mouth('say')).toBe(true);
    // The server's own word may come after its echo.
    while (heard === first) await sleep(10);
    const action = quarantine(60);
    expect(wall.enforce(action)).toBeUndefined();
    const before = heard;
    expect(await mouth('say', server, 8883, 800)).toBe(false);
    expect(heard).toBe(before);
    expect(await mouth('tcp')).toBe(false);
    expect(await mouth('tcp', healer)).toBe(true);
    const [proof] = await wall.prove(action, true, () => false);
    expect(proof).toMatchObject({ enforced: true });
    expect(proof!.text).toMatch(/[1-9]\d* packets dropped/);
    wall.undo(action);
    // The peer's stack repeats what was lost: the talk was stalled, not cut.
    expect(await mouth('wait', server, 8883, 5000)).toBe(true);
    expect(await mouth('tcp')).toBe(true);
    expect((await wall.prove(action, false, () => false))[0]).toMatchObject({ enforced: false });
  });

  it('a policy file loaded again keeps who is in quarantine (pymumu/smartdns#1510)', async () => {
    const action = quarantine(60);
    wall.enforce(action);
    load('enforce');
    expect(wall.recheck()).toMatchObject({ missing: [], base: [], holds: true });
    expect(await mouth('tcp')).toBe(false);
    wall.undo(action);
    expect(await mouth('tcp')).toBe(true);
  });

  it('its time ends by itself, and is renewed by a later end (crowdsecurity/cs-firewall-bouncer#509)', async () => {
    wall.enforce(quarantine(1.2));
    expect(await mouth('tcp', server, 8883, 300)).toBe(false);
    wall.enforce(quarantine(3.5));
    await sleep(1400);
    expect(await mouth('tcp', server, 8883, 300)).toBe(false);
    await sleep(2000);
    expect(await mouth('tcp', server, 8883, 2000)).toBe(true);
    wall.expire(quarantine(0));
    expect(wall.recheck()).toMatchObject({ missing: [], holds: true });
  });

  it.each([
    ['flush table', ['flush', 'table', 'inet', 'parapet']],
    ['delete table', ['delete', 'table', 'inet', 'parapet']],
    ['flush ruleset', ['flush', 'ruleset']],
    ['flush set', ['flush', 'set', 'inet', 'parapet', 'quarantine']],
  ])('after nft %s the device is free; the next look notices and shuts it in again', async (_, words) => {
    load('audit');
    const action = quarantine(60);
    wall.enforce(action);
    expect(await mouth('tcp', server, 8883, 300)).toBe(false);
    spaces.inside('wall', 'nft', ...words);
    expect(await mouth('tcp', server, 8883, 2000)).toBe(true);
    expect((await wall.prove(action, true, () => false))[0]).toMatchObject({ enforced: false });
    faults.length = 0;
    const seen = wall.recheck();
    expect(seen.holds).toBe(true);
    expect([...seen.base, ...seen.missing].length).toBeGreaterThan(0);
    expect(faults).toMatchObject([{ code: 'NFT_REFILLED' }]);
    expect(await mouth('tcp', server, 8883, 300)).toBe(false);
    expect((await wall.prove(action, true, () => false))[0]).toMatchObject({ enforced: true });
    wall.undo(action);
    expect(await mouth('tcp', server, 8883, 2000)).toBe(true);
  });
});
