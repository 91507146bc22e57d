// Zeek conn rows: the largest conn.log of the corpus over and over, each time a day later and other hosts, into one file of a
// million rows; from the file to flow rows, and to the findings of all flow detectors. Rows a CPU second.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { defaultCity } from '#city';
import { analyze, Engine, Feed } from '#pipeline';
import type { Figure } from './run.ts';

const ROWS = 1_000_000;
const LOG = 'flow/rita/proxy_rolling/conn.160000-170000.log.gz';

export async function bench(): Promise<Figure[]> {
  const path = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', LOG);
  if (!existsSync(path)) {
    console.log('zeek is left out: no corpus (PARAPET_CORPUS)');
    return [];
  }
  const dir = mkdtempSync(join(tmpdir(), 'parapet-zeek-'));
  try {
    const file = join(dir, 'conn.log');
    const rows = write(file, gunzipSync(readFileSync(path)).toString('latin1'));
    const source = await best(async () => {
      // No detector takes flows of this engine: sources alone.
      const engine = new Engine({
        city: defaultCity(),
        planes: new Set(['signalling']),
        evidenceAll: false,
        claim: () => {},
      });
      const feed = new Feed([file], engine.faults, false);
      for (let to = await feed.next(engine); to !== undefined; to = await feed.next(engine)) engine.advance(to);
      engine.end();
      feed.close();
      if (engine.rows.flow === undefined || engine.rows.flow < rows)
        throw new Error(`${engine.rows.flow} of ${rows} rows`);
    });
    const whole = await best(async () => {
      await analyze([file], { city: defaultCity(), planes: new Set(['flow']) });
    });
    return [
      { name: 'zeek: rows of conn.log', value: rows, unit: 'rows' },
      { name: 'zeek: file to flow rows', value: rows / source, unit: 'rows/s of CPU', goal: '>= 300,000' },
      { name: 'zeek: file to findings, all flow detectors', value: rows / whole, unit: 'rows/s of CPU' },
    ];
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** @returns rows written */
function write(file: string, log: string): number {
  const lines = log.split('\n').filter((l) => l !== '');
  const head = lines.filter((l) => l.startsWith('#') && !l.startsWith('#close'));
  const fields = head
    .find((l) => l.startsWith('#fields'))!
    .split('\t')
    .slice(1);
  const rows = lines.filter((l) => !l.startsWith('#')).map((l) => l.split('\t'));
  const [ts, uid, host] = ['ts', 'uid', 'id.orig_h'].map((f) => fields.indexOf(f)) as [number, number, number];
  const out = [...head];
  let written = 0;
  for (let copy = 0; written < ROWS; copy++)
    for (const row of rows) {
      if (written === ROWS) break;
      const cells = [...row];
      cells[ts] = (Number(row[ts]) + 86_400 * copy).toFixed(6);
      cells[uid] = `${row[uid]}${copy.toString(36)}`;
      cells[host] = row[host]!.replace(/^\d+\.\d+/, `10.${copy & 255}`);
      out.push(cells.join('\t'));
      written += 1;
    }
  writeFileSync(file, `${out.join('\n')}\n`, 'latin1');
  return written;
}

/** Least CPU seconds of three runs. */
async function best(run: () => Promise<void>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round++) {
    const from = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(from);
    least = Math.min(least, (user + system) / 1e6);
  }
  return least;
}
