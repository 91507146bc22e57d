// The blackout over seeds: what is lost without Parapet, with it, and with each layer taken away. Seeds by PARAPET_SEEDS
// (default 3), quiet days by PARAPET_QUIET_DAYS (default 0.5). Prints a row a seed and layer on standard error.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scoreFolder } from '../src/cli/score.ts';
import { medianInterval, quantile, wilson } from '../src/lib/interval/index.ts';
import { executeOnTruth, runScenario } from '../src/range/index.ts';
import type { Figure } from './run.ts';

const layers = ['', 'dns', 'flow', 'signalling', 'trust', 'interlock', 'dns,flow,signalling'] as const;

export async function bench(): Promise<Figure[]> {
  const seeds = Number(process.env.PARAPET_SEEDS ?? 3);
  const first = Number(process.env.PARAPET_SEED_FIRST ?? 1);
  const quietDays = Number(process.env.PARAPET_QUIET_DAYS ?? 0.5);
  const lost = new Map<string, number[]>(layers.map((l) => [l, []]));
  const executed = new Map<string, number>(layers.map((l) => [l, 0]));
  const without: number[] = [];
  const delays: Record<'finding' | 'incident' | 'hold', number[]> = { finding: [], incident: [], hold: [] };
  const leaks: number[] = [];
  const campaigns: number[] = [];
  const falseRates: number[] = [];
  const recalls: Record<string, number[]> = {};
  let honest = 0;
  let held = 0;
  let harmful = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const dir = mkdtempSync(join(tmpdir(), 'parapet-blackout-'));
    try {
      const run = runScenario('blackout', { seed, out: dir, quietDays });
      harmful += run.harmfulCommands;
      const all = executeOnTruth(dir, commandIds(dir));
      without.push(all.loadLostShare);
      for (const layer of layers) {
        const { scores, moments } = await scoreFolder(dir, new Set(layer === '' ? [] : layer.split(',')));
        const s = scores.find((x) => x.plane === 'all')!;
        lost.get(layer)!.push(s.loadLostShare!.value);
        executed.set(layer, executed.get(layer)! + s.harmfulExecuted!.value);
        console.error(
          `seed ${seed} without ${layer === '' ? 'nothing' : layer}: lost ${(s.loadLostShare!.value * 100).toFixed(1)} %, harmful executed ${s.harmfulExecuted!.value} of ${s.harmfulExecuted!.n}, honest held ${Math.round(s.honestHeldShare!.value * s.honestHeldShare!.n)} of ${s.honestHeldShare!.n}`,
        );
        if (layer !== '') continue;
        honest += s.honestHeldShare!.n;
        held += Math.round(s.honestHeldShare!.value * s.honestHeldShare!.n);
        campaigns.push(s.incidentsPerCampaign!.value);
        falseRates.push(s.falsePerDeviceDay.value);
        for (const p of scores) recalls[p.plane] = [...(recalls[p.plane] ?? []), p.recall.value];
        delays.finding.push((moments.finding - run.attackAt) / 1e6);
        delays.incident.push((moments.incident - run.attackAt) / 1e6);
        delays.hold.push((moments.hold - moments.harmful) / 1e6);
        leaks.push(s.leakedBytes.max);
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }
  const figures: Figure[] = [
    { name: `load lost without Parapet (median of ${seeds} seeds)`, value: median(without), unit: 'share' },
  ];
  for (const layer of layers) {
    const values = lost.get(layer)!;
    const name = layer === '' ? 'load lost with Parapet' : `load lost with Parapet but without ${layer}`;
    figures.push({
      name: `${name} (median; most ${(Math.max(...values) * 100).toFixed(1)} %)`,
      value: median(values),
      unit: 'share',
      ...(layer === '' ? { goal: '0' } : {}),
    });
    figures.push({
      name: '  harmful commands executed',
      value: executed.get(layer)!,
      unit: `of ${harmful}`,
      ...(layer === '' ? { goal: '0' } : {}),
    });
  }
  const [low, high] = wilson(held, honest);
  figures.push({
    name: `honest commands held (95 % ${(low * 100).toFixed(2)} to ${(high * 100).toFixed(2)} %, n ${honest})`,
    value: honest === 0 ? 0 : held / honest,
    unit: 'share',
    goal: '<= 0.01',
  });
  for (const [what, values] of Object.entries(delays)) {
    const sorted = values.filter((v) => Number.isFinite(v)).sort((a, b) => a - b);
    const [a, b] = medianInterval(sorted);
    figures.push({
      name: `delay to the first ${what} (95 % ${a?.toFixed(1)} to ${b?.toFixed(1)}, n ${sorted.length})`,
      value: quantile(sorted, 0.5),
      unit: 's',
    });
  }
  figures.push({ name: 'most bytes leaked at an alert (median over seeds)', value: median(leaks), unit: 'B' });
  figures.push({ name: 'incidents a campaign (median)', value: median(campaigns), unit: '', goal: '1' });
  figures.push({ name: 'false alerts per device-day (median)', value: median(falseRates), unit: '' });
  for (const [plane, values] of Object.entries(recalls))
    figures.push({ name: `recall, ${plane} (median)`, value: median(values), unit: 'share' });
  return figures;
}

function median(values: readonly number[]): number {
  return quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  );
}

function commandIds(dir: string): string[] {
  return readLines(join(dir, 'commands.ndjson')).map((l) => (JSON.parse(l) as { id: string }).id);
}

function readLines(path: string): string[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((l) => l !== '');
}
