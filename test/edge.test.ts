// Every odd and hostile file of the corpora goes through the whole of analyze: no crash, no hang, bounded memory, and each
// fault has a code from the table, its place and its remedy.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultCity } from '#city';
import { analyze, faultTable } from '#pipeline';

const corpus = process.env.PARAPET_CORPUS ?? join(import.meta.dirname, '..', '..', 'shared', 'corpus');

function filesOf(...dirs: string[]): string[] {
  return dirs.flatMap((dir) =>
    readdirSync(join(corpus, dir), { recursive: true, encoding: 'utf8' })
      .map((name) => join(corpus, dir, name))
      .filter((path) => statSync(path).isFile()),
  );
}

const folders = [
  'dns/edge',
  'dns/dnstap',
  'dns/logs',
  'dns/dnssec/wire',
  'flow/pcapng',
  'flow/ndpi/odd',
  'dns/encrypted',
  'flow/arkime',
  'platform/mqtt/pcap',
];

describe.skipIf(!existsSync(corpus))('the corpora of odd files', () => {
  if (!existsSync(corpus)) console.log(`skipped: no corpus at ${corpus} (set PARAPET_CORPUS)`);
  it.each(folders)('%s: read to the end, faults coded and placed', async (folder) => {
    const table = faultTable();
    const files = filesOf(folder);
    expect(files.length).toBeGreaterThan(2);
    for (const file of files) {
      const outcome = await analyze([file], { city: defaultCity() });
      for (const fault of outcome.faults) {
        expect(table, `${file}: ${fault.code}`).toHaveProperty(fault.code);
        expect(fault.remedy.length).toBeGreaterThan(5);
        expect(fault.lost.length).toBeGreaterThan(2);
      }
    }
    expect(process.memoryUsage().rss).toBeLessThan(1.5e9);
  });
});
