import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { City } from '#city';
import { analyze } from '#pipeline';
import { Bench } from '../movement/testing.ts';
import { credentials } from './index.ts';

const dc = '10.0.0.10';
const kdc = { to: dc, protocol: 'Kerberos' } as const;
const error = (b: Bench, at: number, user: string, status: number, from?: string): void =>
  b.operation({
    at,
    ...kdc,
    role: 'Response',
    code: 30,
    status,
    user: `${user}/CITY`,
    ...(from === undefined ? {} : { from }),
  });
const ask = (b: Bench, at: number, user: string, proofs: number): void =>
  b.operation({ at, ...kdc, code: 10, user: `${user}/CITY`, count: proofs });
const given = (b: Bench, at: number, user: string, cipher = 18): void =>
  b.operation({
    at,
    ...kdc,
    role: 'Response',
    act: 'Login',
    code: 11,
    user: `${user}/CITY`,
    number: cipher,
    status: 0,
  });
const ticket = (b: Bench, at: number, service: string, cipher: number): void =>
  b.operation({
    at,
    ...kdc,
    role: 'Response',
    act: 'Login',
    code: 13,
    user: 'ann/CITY',
    object: service,
    number: cipher,
  });
const call = (b: Bench, at: number, object: string, code: number, to = dc): void =>
  b.operation({ at, to, protocol: 'Dcerpc', object, code });

describe('fires on', () => {
  it('users that there are not, one after the other', () => {
    const b = new Bench(credentials);
    for (let i = 0; i < 12; i++) error(b, i, `user${i}`, 6);
    expect(b.all).toMatchObject([
      { title: '10.0.1.4 tries which users there are at 10.0.0.10', bits: 11, techniques: ['T1087.002'] },
    ]);
    expect(b.all[0]!.asset).toEqual({ ip: '10.0.1.4' });
  });
  it('one password for many users, and the one who gets in', () => {
    const b = new Bench(credentials);
    for (let i = 0; i < 12; i++) error(b, i, `user${i}`, 24);
    given(b, 20, 'user7');
    expect(b.all.at(-1)).toMatchObject({ title: '10.0.1.4 tries passwords of many users at 10.0.0.10' });
    expect(b.all.at(-1)!.reasons.map((r) => r.text)).toContain('user7 signed in after its password had been tried');
    expect(b.claims.size).toBe(1);
  });
  it('forty passwords of one user within a minute, also as Zeek tells NTLM', () => {
    const b = new Bench(credentials);
    // Who signs in as somebody else meanwhile is no gateway.
    error(b, 0, 'bob', 24);
    given(b, 0, 'bob');
    for (let i = 0; i < 40; i++)
      b.operation({ at: i, to: dc, protocol: 'Ntlm', act: 'Login', code: 3, status: 1, user: 'ann/CITY' });
    expect(b.all).toMatchObject([{ bits: 10, techniques: ['T1110.001'] }]);
  });
  it('tickets in RC4 to eight services, where the domain has AES', () => {
    const b = new Bench(credentials);
    given(b, 0, 'ann', 18);
    for (let i = 0; i < 8; i++) ticket(b, i, `MSSQLSvc/db${i}.city`, 23);
    expect(b.all).toMatchObject([{ bits: 11, techniques: ['T1558.003'] }]);
  });
  it('tickets of three users who need not prove who they are', () => {
    const b = new Bench(credentials);
    for (let i = 0; i < 3; i++) {
      ask(b, 2 * i, `user${i}`, 0);
      given(b, 2 * i + 1, `user${i}`);
    }
    expect(b.all).toMatchObject([{ bits: 10, techniques: ['T1558.004'] }]);
  });
  it('the secure channel asked for again and again, then a password set', () => {
    const b = new Bench(credentials);
    for (let i = 0; i < 8; i++) call(b, i, 'netlogon', 26);
    call(b, 9, 'netlogon', 30);
    expect(b.all.at(-1)).toMatchObject({ severity: 'high', bits: 14, techniques: ['T1210', 'T1098'] });
  });
  it('a controller that is made to sign in elsewhere; an account made and raised', () => {
    const b = new Bench(credentials);
    given(b, 0, 'ann');
    call(b, 1, 'efsrpc', 0);
    expect(b.all).toMatchObject([{ bits: 12, techniques: ['T1187'] }]);
    call(b, 2, 'samr', 50, '10.0.0.20');
    call(b, 3, 'samr', 31, '10.0.0.20');
    expect(b.all.at(-1)).toMatchObject({ subject: { value: '10.0.0.20' }, bits: 12 });
  });
});

describe('silent on', () => {
  it('typing errors, days of them', () => {
    const b = new Bench(credentials);
    for (let day = 0; day < 60; day++)
      for (let i = 0; i < 4; i++) error(b, day * 86_400 + i * 60, `tpyo${day}-${i}`, i % 2 === 0 ? 6 : 24);
    expect(b.all).toEqual([]);
  });
  it('a service whose password has changed, once a minute for a day', () => {
    const b = new Bench(credentials);
    for (let i = 0; i < 1440; i++) error(b, 60 * i, 'backup', 24);
    expect(b.all).toEqual([]);
  });
  it('a gateway that signs in for its users, some of whom mistype, and one that says so by its role', () => {
    const b = new Bench(credentials);
    for (let i = 0; i < 200; i++) {
      if (i % 5 === 0) error(b, 10 * i, `user${i}`, 24);
      else given(b, 10 * i, `user${i}`);
    }
    const named = new Bench(credentials, { assets: [{ id: 'vpn', role: 'vpn-gateway', ip: '10.0.1.4' }] });
    for (let i = 0; i < 12; i++) error(named, i, `user${i}`, 24);
    expect([...b.all, ...named.all]).toEqual([]);
  });
  it('a domain that has RC4 alone, and a workstation with three old services', () => {
    const old = new Bench(credentials);
    given(old, 0, 'ann', 23);
    for (let i = 0; i < 30; i++) ticket(old, i, `cifs/srv${i}`, 23);
    const b = new Bench(credentials);
    given(b, 0, 'ann', 18);
    for (let i = 0; i < 3; i++) ticket(b, i, `MSSQLSvc/db${i}`, 23);
    for (let i = 0; i < 30; i++) ticket(b, i, `cifs/srv${i}`, 18);
    expect([...old.all, ...b.all]).toEqual([]);
  });
  it('users who prove who they are when asked, a computer’s secure channel, a print client, a computer that joins', () => {
    const b = new Bench(credentials);
    for (let i = 0; i < 20; i++) {
      ask(b, 10 * i, `user${i}`, 0);
      error(b, 10 * i, `user${i}`, 25);
      ask(b, 10 * i + 1, `user${i}`, 1);
      given(b, 10 * i + 1, `user${i}`);
    }
    call(b, 300, 'netlogon', 26);
    call(b, 301, 'spoolss', 65, '10.0.0.30');
    call(b, 302, 'samr', 50);
    expect(b.all).toEqual([]);
  });
});

describe('state', () => {
  it('resumes as if it had not stopped', () => {
    const run = (restart: boolean) => {
      const b = new Bench(credentials);
      for (let i = 0; i < 12; i++) {
        if (restart && i % 5 === 0) b.restart();
        error(b, i, `user${i}`, 24);
        ask(b, i, `bare${i}`, 0);
        if (restart) b.restart();
        given(b, i, `bare${i}`);
      }
      given(b, 20, 'user7');
      return b.all;
    };
    expect(run(true)).toEqual(run(false));
    expect(run(false).length).toBeGreaterThan(0);
    expect(() => new Bench(credentials).detector.restore({ version: 9 })).toThrow(/version/);
  });
  it('is bounded, and what goes is counted', () => {
    const b = new Bench(credentials);
    for (let i = 0; i < 5000; i++) error(b, i / 100, 'x', 6, `10.${30 + (i >> 8)}.0.${i & 255}`);
    expect((b.detector.snapshot() as { hosts: unknown[] }).hosts).toHaveLength(4096);
    expect(b.detector.shed).toBe(904);
  });
});

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'flow/suricata');
describe.skipIf(!existsSync(corpus))('corpus (skipped where it is not there: set PARAPET_CORPUS)', () => {
  it('a real Zerologon, from packets (tune half)', async () => {
    const { findings } = await analyze([join(corpus, 'dcerpc-zerologon.pcap')], {
      city: new City({}, '.'),
      planes: new Set(['flow']),
    });
    expect(findings.filter((f) => f.detector === 'credentials')).toMatchObject([
      { severity: 'high', title: '172.16.0.10 breaks into the secure channel (Zerologon) at 172.16.5.58' },
    ]);
  });
});
