// npm run bench [NAME...]: runs the benchmarks named (all without a name) one after the other and prints a table.
// Figures are ratios to a peer or to a fixed kernel in the same run wherever that is possible: absolute times swing.
import { readdirSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What it should reach, as text ("<= 1"), where there is a target. */
  readonly goal?: string;
}

const names = process.argv.slice(2);
const here = import.meta.dirname;
const all = readdirSync(here)
  .filter((f) => f.endsWith('.ts') && f !== 'run.ts')
  .map((f) => f.slice(0, -3))
  .sort();
for (const n of names) {
  if (!all.includes(n)) {
    console.error(`there is no benchmark ${n}; there are ${all.join(', ')}`);
    process.exit(2);
  }
}

console.log(
  `node ${process.versions.node}, ${cpus()[0]?.model ?? 'unknown processor'}, ${availableParallelism()} cores`,
);
console.log(`kernel: ${kernelMillis().toFixed(0)} ms for 10^8 mixing steps (the machine's speed in this minute)`);
for (const name of names.length > 0 ? names : all) {
  const { bench } = (await import(join(here, `${name}.ts`))) as { bench(): Promise<readonly Figure[]> };
  const figures = await bench();
  for (const f of figures)
    console.log(
      `${name.padEnd(10)} ${f.name.padEnd(58)} ${format(f.value).padStart(12)} ${f.unit}${f.goal === undefined ? '' : `   (goal ${f.goal})`}`,
    );
}

function format(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString('en') : value.toPrecision(4);
}

function kernelMillis(): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round++) {
    const start = performance.now();
    let h = round;
    for (let i = 0; i < 1e8; i++) h = Math.imul(h ^ (h >>> 15), 0x846ca68b) + i;
    best = Math.min(best, performance.now() - start);
    if (h === 42) console.log('');
  }
  return best;
}
