import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { gridFromCase } from './grid.ts';
import { readMatpowerBytes } from './matpower/read.ts';
import { caseInput, PowerFlow } from './newton.ts';

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'power');
const there = existsSync(corpus);
if (!there) console.log('skipped: the power corpus is not here (PARAPET_CORPUS)');

function text(path: string): string {
  const bytes = readFileSync(path);
  return (path.endsWith('.zst') ? zstdDecompressSync(bytes) : bytes).toString();
}

describe.skipIf(!there)('power flow against MATPOWER', () => {
  const files = there ? readdirSync(join(corpus, 'cases')).filter((f) => /^case.*\.m(\.zst)?$/.test(f)) : [];
  for (const file of files) {
    const name = file.replace(/\.m(\.zst)?$/, '');
    const golden = ['.tsv', '.tsv.zst'].map((end) => join(corpus, 'expect/pf', name + end)).find(existsSync);
    if (golden === undefined) continue;
    it(`${name} has the published voltages`, () => {
      const read = readMatpowerBytes(readFileSync(join(corpus, 'cases', file)), file);
      expect(read.faults).toEqual([]);
      const made = gridFromCase(read.value!, file);
      expect(made.faults).toEqual([]);
      const grid = made.value!;
      const input = caseInput(grid);
      const result = new PowerFlow(grid).solve(input);
      expect(result.status).toBe('solved');
      let vm = 0;
      let va = 0;
      for (const line of text(golden).split('\n')) {
        if (!/^\d/.test(line)) continue;
        const [bus, type, vmPu, vaDegrees] = line.split('\t').map(Number);
        if (type === 4) continue;
        const i = grid.node[grid.busIndex.get(bus!)!]!;
        vm = Math.max(vm, Math.abs(result.vm[i]! - vmPu!));
        va = Math.max(va, Math.abs((result.va[i]! * 180) / Math.PI - vaDegrees!));
      }
      expect(vm).toBeLessThan(1e-8);
      expect(va).toBeLessThan(1e-6);
    });
  }
});
