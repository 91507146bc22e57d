// Plant captures of the corpus, each alone through `analyze`: in how many plant-writer says something, by what the truth
// column says the capture is and by half. Each capture stands alone, so no habit is learned: control counts as a habit.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultCity } from '#city';
import { analyze } from '#pipeline';
import type { Figure } from './run.ts';

const DETECTOR = 'plant-writer';
const PLANT = /^(?:ot|ndpi\/ot)\/|^suricata\/.*(?:dnp3|modbus|enip|mqtt|bacnet|iec)/i;
const CAPTURE = /\.(?:pcap|pcapng|cap)$/;

export async function bench(): Promise<Figure[]> {
  const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'flow');
  if (!existsSync(corpus)) {
    console.log('plant is left out: no corpus (PARAPET_CORPUS)');
    return [];
  }
  const [head, ...rows] = readFileSync(join(corpus, 'MANIFEST.tsv'), 'utf8').trimEnd().split('\n');
  const columns = head!.split('\t');
  const of = (row: readonly string[], name: string): string => row[columns.indexOf(name)] ?? '';
  const cells = new Map<string, { told: number; all: number; missed: string[] }>();
  for (const line of rows) {
    const row = line.split('\t');
    const path = of(row, 'path');
    if (!PLANT.test(path) || !CAPTURE.test(path)) continue;
    const kind = kindOf(of(row, 'truth'));
    const { findings } = await analyze([join(corpus, path)], { city: defaultCity(), planes: new Set(['flow']) });
    const told = findings.some((f) => f.detector === DETECTOR);
    const key = `${kind}, ${of(row, 'split')} half`;
    const cell = cells.get(key) ?? { told: 0, all: 0, missed: [] };
    cells.set(key, cell);
    cell.all += 1;
    if (told) cell.told += 1;
    if (told === (kind === 'benign')) cell.missed.push(path);
  }
  return [...cells].sort().map(([key, { told, all, missed }]) => {
    // Which they were is told of the half that is tuned on alone.
    if (key.endsWith('tune half') && !key.startsWith('control'))
      for (const path of missed) console.log(`${key}: look at ${path}`);
    return { name: `plant: ${key}, captures told`, value: told, unit: `of ${all}` };
  });
}

function kindOf(truth: string): string {
  if (/^control/.test(truth)) return 'control';
  return truth === '' || truth === 'benign' ? 'benign' : 'engineering and attack';
}
