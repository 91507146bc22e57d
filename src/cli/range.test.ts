import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { range } from './range.ts';

afterEach(() => vi.restoreAllMocks());
const silent = (): string[] => {
  const said: string[] = [];
  const keep = (text: unknown): boolean => said.push(String(text)) > 0;
  vi.spyOn(process.stdout, 'write').mockImplementation(keep);
  vi.spyOn(process.stderr, 'write').mockImplementation(keep);
  return said;
};

test('list names the scenarios, run writes the folder of the contract', async () => {
  const said = silent();
  const out = mkdtempSync(join(tmpdir(), 'range-cli-'));
  expect(await range(['list', '--format', 'text'])).toBe(0);
  expect(said[0]).toMatch(/^blackout {2}/);
  expect(
    await range(['run', 'blackout', '--out', out, '--quiet-days', '0.01', '--meters', '1', '--format', 'ndjson']),
  ).toBe(0);
  expect(JSON.parse(said.at(-1)!)).toMatchObject({ kind: 'range', scenario: 'blackout', seed: 1, harmfulCommands: 3 });
  expect(readdirSync(out).sort()).toEqual([
    'city.yaml',
    'commands.ndjson',
    'grid.m',
    'network.pcap',
    'readings.ndjson',
    'signalling.pcap',
    'true-state.ndjson',
    'truth.ndjson',
  ]);
  rmSync(out, { recursive: true });
});

test('wrong use is told and gives status 2', async () => {
  silent();
  for (const args of [
    [],
    ['walk'],
    ['run', 'flood', '--out', 'x'],
    ['run', 'blackout'],
    ['run', 'blackout', '--out', 'x', '--seed', 'y'],
    ['run', '--colour'],
  ]) {
    expect(await range(args)).toBe(2);
  }
});
