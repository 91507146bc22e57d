// Learns the host-name model of detectors/dns-tunnel from the tune half of the DNS corpus and writes it into
// calibration.json, beside the hand-read terms that stay as they are. Run: npm exec -- node tools/dns-calibrate.ts CORPUS DATE
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';

const SYMBOLS = 40;
const [corpus = '../shared/corpus', date = ''] = process.argv.slice(2);
const target = join(import.meta.dirname, '../src/detectors/dns-tunnel/calibration.json');
const read = (name: string): string => {
  const raw = readFileSync(join(corpus, 'dns/domains', name));
  return (name.endsWith('.zst') ? zstdDecompressSync(raw) : raw).toString('latin1');
};

function symbol(c: number): number {
  if (c >= 0x61 && c <= 0x7a) return c - 0x60;
  if (c >= 0x30 && c <= 0x39) return 27 + c - 0x30;
  return c === 0x2d ? 37 : c === 0x5f ? 38 : 39;
}

const counts = new Float64Array(SYMBOLS * SYMBOLS).fill(0.5);
function learn(label: string, weight: number): void {
  let previous = 0;
  for (const c of label.toLowerCase()) {
    const s = symbol(c.charCodeAt(0));
    counts[previous * SYMBOLS + s]! += weight;
    previous = s;
  }
  counts[previous * SYMBOLS]! += weight;
}
// Full names as asked weigh most: their inner labels are what stands left of zones. Registered labels lend them vocabulary.
const asked: string[] = JSON.parse(read('umbrella-top20k.json.zst')).list;
const telemetry: string[] = JSON.parse(read('windows-telemetry.json')).list;
for (const name of [...asked, ...telemetry]) for (const l of name.split('.').slice(0, -2)) if (l !== '') learn(l, 1);
const popular = read('popular-65535.csv.zst').split('\n');
for (const line of popular) {
  const name = line.split(',')[1];
  if (name !== undefined) learn(name.split('.')[0]!, 0.2);
}
const out = Buffer.alloc(SYMBOLS * SYMBOLS);
for (let a = 0; a < SYMBOLS; a++) {
  let sum = 0;
  for (let b = 0; b < SYMBOLS; b++) sum += counts[a * SYMBOLS + b]!;
  for (let b = 0; b < SYMBOLS; b++)
    out[a * SYMBOLS + b] = Math.min(255, Math.round(-8 * Math.log2(counts[a * SYMBOLS + b]! / sum)));
}
const old = JSON.parse(readFileSync(target, 'utf8'));
old.pairCostEighths = out.toString('base64');
old.provenance.pairs = {
  corpus: 'dns tune half: domains/umbrella-top20k, domains/popular-65535, domains/windows-telemetry',
  names: asked.length + telemetry.length + popular.length,
  date,
  command: 'node tools/dns-calibrate.ts CORPUS DATE',
};
writeFileSync(target, `${JSON.stringify(old, undefined, 2)}\n`);
