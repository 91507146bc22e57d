// Users probed, passwords sprayed and unproved tickets collected at a real KDC (MIT krb5) with its own client, in network
// namespaces, from the packets; and a morning's sign-ins beside, which stay silent.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { City } from '#city';
import type { Finding } from '#findings';
import { analyze } from '#pipeline';
import { Namespaces, noNamespaces } from './netns.ts';

const tools = ['krb5kdc', 'kdb5_util', 'kadmin.local', 'kinit', 'tcpdump'];
const absent = tools.find((t) => spawnSync('bash', ['-c', `PATH=$PATH:/usr/sbin:/sbin command -v ${t}`]).status !== 0);
const why = noNamespaces() || (absent === undefined ? '' : `${absent} is not installed`);
if (why !== '') console.warn(`live kerberos: skipped, ${why}`);

const KDC = '10.233.0.1';
const HOST = '10.233.0.2';
const USERS = 14;

describe.skipIf(why !== '')('a real KDC', () => {
  const dir = mkdtempSync(join(tmpdir(), 'parapet-kerberos-'));
  const spaces = new Namespaces('prlk');
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  const settings = { KRB5_CONFIG: join(dir, 'krb5.conf'), KRB5_KDC_PROFILE: join(dir, 'kdc.conf') };

  const admin = (...queries: string[]): void => {
    for (const q of queries) execFileSync('kadmin.local', ['-q', q], { env: { ...env, ...settings }, stdio: 'ignore' });
  };

  beforeAll(async () => {
    writeFileSync(
      settings.KRB5_CONFIG,
      `[libdefaults]\n default_realm = CITY.TEST\n dns_lookup_kdc = false\n dns_lookup_realm = false\n[realms]\n CITY.TEST = {\n  kdc = ${KDC}:88\n }\n`,
    );
    writeFileSync(
      settings.KRB5_KDC_PROFILE,
      `[kdcdefaults]\n kdc_listen = ${KDC}:88\n kdc_tcp_listen = ${KDC}:88\n[realms]\n CITY.TEST = {\n  database_name = ${dir}/principal\n  key_stash_file = ${dir}/stash\n  acl_file = ${dir}/acl\n  default_principal_flags = +preauth\n }\n`,
    );
    execFileSync('kdb5_util', ['create', '-s', '-P', 'master'], { env: { ...env, ...settings }, stdio: 'ignore' });
    for (let i = 1; i <= USERS; i++) admin(`addprinc -pw right user${i}`);
    for (let i = 1; i <= 3; i++) admin(`addprinc -pw right bare${i}`, `modprinc -requires_preauth bare${i}`);
    spaces.add('kdc', 'host');
    spaces.join(['kdc', 'v0'], ['host', 'v1']);
    spaces.ip('kdc', 'addr', 'add', `${KDC}/24`, 'dev', 'v0');
    spaces.ip('host', 'addr', 'add', `${HOST}/24`, 'dev', 'v1');
    const set = Object.entries(settings).map(([k, v]) => `${k}=${v}`);
    spaces.spawn('kdc', 'kdc', 'env', ...set, 'krb5kdc', '-n');
    const signsIn = `echo right | kinit user1`;
    for (let i = 0; i < 50 && !shell(signsIn); i++) await sleep(100);
    expect(shell(signsIn), spaces.said).toBe(true);
  }, 60_000);

  afterAll(() => {
    spaces.close();
    rmSync(dir, { recursive: true, force: true });
  });

  function shell(line: string): boolean {
    const words = [
      'netns',
      'exec',
      spaces.name('host'),
      'env',
      `KRB5_CONFIG=${settings.KRB5_CONFIG}`,
      `KRB5CCNAME=${dir}/cc`,
    ];
    return spawnSync('ip', [...words, 'bash', '-c', line], { stdio: 'ignore' }).status === 0;
  }

  async function seen(lines: readonly string[]): Promise<Finding[]> {
    const file = join(dir, 'seen.pcap');
    const label = `tcpdump ${lines[0]}`;
    const tap = spaces.spawn(label, 'kdc', 'tcpdump', '-i', 'v0', '--immediate-mode', '-U', '-w', file, 'port 88');
    for (let i = 0; i < 50 && !spaces.log(label).includes('listening'); i++) await sleep(100);
    for (const line of lines) shell(line);
    await sleep(500);
    const ended = new Promise((done) => tap.once('exit', done));
    tap.kill('SIGINT');
    await ended;
    const city = new City({ networks: [{ name: 'office', cidr: '10.233.0.0/24' }] }, '.');
    const { findings } = await analyze([file], { city, planes: new Set(['flow']) });
    return findings.filter((f) => f.detector === 'credentials');
  }
  const times = (n: number, line: (i: number) => string): string[] => Array.from({ length: n }, (_, i) => line(i + 1));

  it.each([
    ['users that there are not', times(15, (i) => `echo x | kinit nobody${i}`), 'T1087.002'],
    ['a password for many users', times(USERS, (i) => `echo wrong | kinit user${i}`), 'T1110.003'],
    ['tickets of users who need not prove who they are', times(3, (i) => `echo right | kinit bare${i}`), 'T1558.004'],
  ])(
    '%s',
    async (_, lines, technique) => {
      const findings = await seen(lines);
      expect(findings, spaces.said).toMatchObject([{ asset: { ip: HOST }, techniques: [technique] }]);
    },
    60_000,
  );

  it('users who sign in, one of whom mistypes', async () => {
    expect(await seen(['echo worng | kinit user1', ...times(USERS, (i) => `echo right | kinit user${i}`)])).toEqual([]);
  }, 60_000);
});
