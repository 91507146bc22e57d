// Learns the letter pairs and the top-level labels of calibration.json from the tune half of the DNS corpus; the terms beside
// them are set by hand and stay. A tool, not a part of the detector. Run: npm exec -- node src/detectors/dga/calibrate.ts CORPUS DATE
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { registeredName } from '#lib/suffix';
import { SYMBOLS, symbolOf } from './form.ts';

/** A family counts as this many names at the most, so that the long lists do not speak for all. */
const FAMILY_NAMES = 1000;
/** A family of few names counts as this many times what it has. */
const FAMILY_STRETCH = 20;
/** Popular domains under a top-level label from which it is known. */
const TLD_MIN = 5;

const [corpus = '../shared/corpus', date = ''] = process.argv.slice(2);
const target = join(import.meta.dirname, 'calibration.json');
const folder = join(corpus, 'dns');
const read = (path: string): string => {
  const raw = readFileSync(join(folder, path));
  return (path.endsWith('.zst') ? zstdDecompressSync(raw) : raw).toString('latin1');
};
const manifest = read('MANIFEST.tsv')
  .split('\n')
  .map((line) => line.split('\t'));
const families = manifest
  .filter((row) => row[0]!.startsWith('domains/dga/') && row[7]?.trim() === 'tune')
  .map((row) => row[0]!);

class Side {
  readonly pairs = new Float64Array(SYMBOLS * SYMBOLS).fill(1);
  readonly tlds = new Map<string, number>();
  names = 0;
  learn(domain: string, weight: number): void {
    const label = domain.split('.')[0]!;
    this.names += 1;
    const tld = domain.slice(domain.lastIndexOf('.') + 1);
    this.tlds.set(tld, (this.tlds.get(tld) ?? 0) + weight);
    if (label.startsWith('xn--')) return;
    let before = 0;
    for (const c of label) {
      const s = symbolOf(c.charCodeAt(0));
      this.pairs[before * SYMBOLS + s]! += weight;
      before = s;
    }
    this.pairs[before * SYMBOLS]! += weight;
  }
  share(a: number, b: number): number {
    let sum = 0;
    for (let k = 0; k < SYMBOLS; k++) sum += this.pairs[a * SYMBOLS + k]!;
    return this.pairs[a * SYMBOLS + b]! / sum;
  }
  get tldSum(): number {
    return [...this.tlds.values()].reduce((x, y) => x + y, 0);
  }
}

const sold = new Side();
const asked: string[] = JSON.parse(read('domains/umbrella-top20k.json.zst')).list;
const popular = read('domains/popular-65535.csv.zst').split('\n');
const domains = new Set<string>();
for (const name of [...asked, ...popular.map((l) => l.split(',')[1] ?? '')]) {
  const domain = registeredName(name.trim());
  if (/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(domain)) domains.add(domain);
}
for (const d of domains) sold.learn(d, 1);

const made = new Side();
for (const family of families) {
  const lines = read(family).split('\n');
  const names = lines.map((l) => registeredName(l.trim())).filter((n) => /^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(n));
  const weight = Math.min(FAMILY_NAMES, FAMILY_STRETCH * names.length) / names.length;
  for (const n of names) made.learn(n, weight);
}

const pairs = Buffer.alloc(SYMBOLS * SYMBOLS);
for (let a = 0; a < SYMBOLS; a++)
  for (let b = 0; b < SYMBOLS; b++) {
    const eighths = Math.round(8 * Math.log2(made.share(a, b) / sold.share(a, b)));
    pairs.writeInt8(Math.max(-127, Math.min(127, eighths)), a * SYMBOLS + b);
  }
const tlds: Record<string, number> = {};
for (const [tld, count] of [...sold.tlds].sort((x, y) => y[1] - x[1])) {
  if (count < TLD_MIN || !/^[a-z]{2,}$/.test(tld)) continue;
  const ratio = ((made.tlds.get(tld) ?? 0) + 20) / (made.tldSum + 2000) / ((count + 20) / (sold.tldSum + 2000));
  tlds[tld] = Math.round(10 * Math.max(-2, Math.min(2, Math.log2(ratio)))) / 10;
}
const old = JSON.parse(readFileSync(target, 'utf8'));
old.pairBitEighths = pairs.toString('base64');
old.tlds = tlds;
old.provenance.form = {
  corpus: `dns tune half: domains/popular-65535, domains/umbrella-top20k against ${families.length} files of domains/dga`,
  soldDomains: sold.names,
  madeDomains: made.names,
  date,
  command: 'npm exec -- node src/detectors/dga/calibrate.ts CORPUS DATE',
};
writeFileSync(target, `${JSON.stringify(old, undefined, 2)}\n`);
