// Writes src/lib/suffix/suffixes.json from a copy of the Public Suffix List (publicsuffix.org, MPL 2.0): hashes of its rules,
// from which the list can't be read back. Run: npm exec -- node tools/suffixes.ts public_suffix_list.dat[.zst] DATE
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { domainToASCII } from 'node:url';
import { zstdDecompressSync } from 'node:zlib';
import { textToWire } from '../src/lib/wirename/index.ts';

const Rule = { Registry: 1, Shared: 2, Wildcard: 4, Exception: 8, Longer: 16, WildcardShared: 32 };
const [path = '', date = ''] = process.argv.slice(2);
const raw = readFileSync(path);
const text = (path.endsWith('.zst') ? zstdDecompressSync(raw) : raw).toString('utf8');
const { SEED, addLabel, keyOf } = await import('../src/lib/suffix/suffix.ts');

const flags = new Map<number, number>();
const mark = (labels: string[], flag: number): void => {
  const wire = new Uint8Array(256);
  if (textToWire(labels.join('.'), wire, 0) <= 0) throw new Error(`no name: ${labels.join('.')}`);
  const starts: number[] = [];
  for (let at = 0; wire[at] !== 0; at += wire[at]! + 1) starts.push(at);
  let hash: number = SEED;
  for (let k = starts.length - 1; k >= 0; k--) {
    hash = addLabel(hash, wire, starts[k]!);
    const key = keyOf(hash);
    flags.set(key, (flags.get(key) ?? 0) | (k === 0 ? flag : Rule.Longer));
  }
};
let rules = 0;
let isPrivate = false;
for (const line of text.split('\n')) {
  if (line.includes('===BEGIN PRIVATE DOMAINS===')) isPrivate = true;
  const rule = line.trim().split(/\s/)[0]!;
  if (rule === '' || rule.startsWith('//')) continue;
  rules += 1;
  const bare = rule.replace(/^(\*\.|!)/, '');
  const flag = rule.startsWith('!')
    ? Rule.Exception
    : rule.startsWith('*.')
      ? Rule.Wildcard | (isPrivate ? Rule.WildcardShared : 0)
      : isPrivate
        ? Rule.Shared
        : Rule.Registry;
  mark(domainToASCII(bare).split('.'), flag);
}
const out = Buffer.alloc(5 * flags.size);
for (const [i, [key, flag]] of [...flags].sort(([a], [b]) => a - b).entries()) {
  out.writeUInt32LE(key, 5 * i);
  out[5 * i + 4] = flag;
}
writeFileSync(
  join(import.meta.dirname, '../src/lib/suffix/suffixes.json'),
  `${JSON.stringify({ source: 'Public Suffix List, publicsuffix.org', listed: rules, date, command: 'node tools/suffixes.ts FILE DATE', rules: out.toString('base64') }, undefined, 2)}\n`,
);
