// The attack Parapet exists for, small: with all layers nothing harmful runs and nothing honest waits; with trust or the
// interlock taken away the city goes dark. The whole table is `npm run bench blackout`.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { harmfulIds, runScenario } from '#range';
import { scoreFolder } from '../src/cli/score.ts';

const dir = mkdtempSync(join(tmpdir(), 'parapet-blackout-test-'));
beforeAll(() => {
  runScenario('blackout', { seed: 7, out: dir, quietDays: 0.3, meters: 400 });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function all(without: readonly string[]) {
  const { scores, moments } = await scoreFolder(dir, new Set(without));
  return { score: scores.find((s) => s.plane === 'all')!, scores, moments };
}

describe('the blackout', () => {
  it('with all layers: no harmful command, no honest one held, no load lost, one incident, and the planes see it', async () => {
    const { score, scores, moments } = await all([]);
    expect(harmfulIds(dir).size).toBe(3);
    expect(score.harmfulExecuted!.value).toBe(0);
    expect(score.loadLostShare!.value).toBe(0);
    expect(score.honestHeldShare!.value).toBe(0);
    expect(score.incidentsPerCampaign!.value).toBe(1);
    for (const plane of ['dns', 'flow', 'signalling'])
      expect(scores.find((s) => s.plane === plane)!.recall.value, plane).toBeGreaterThan(0.6);
    expect(score.precision.value).toBeGreaterThan(0.95);
    expect(moments.hold).toBeGreaterThanOrEqual(moments.harmful);
    expect(moments.finding).toBeLessThan(moments.harmful);
  });

  it.each([['trust'], ['interlock']])('without %s it goes dark: the test can fail', async (layer) => {
    const { score } = await all([layer]);
    expect(score.harmfulExecuted!.value).toBe(3);
    expect(score.loadLostShare!.value).toBeGreaterThan(0.15);
  });
});
