// The quiet path allocates nothing per packet: counted by V8's own total of allocated bytes, per plane.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getHeapStatistics } from 'node:v8';
import { describe, expect, it } from 'vitest';
import { defaultCity } from '#city';
import { Engine } from '#pipeline';
import { openBytes } from '#sources';
import { pcap } from '#sources/pcap';
import { frame, header, name, udp } from './captures.ts';

const packets = 120_000;
const words =
  'www mail cdn img api static login news shop maps time update portal video docs auth search data files home'.split(
    ' ',
  );

/** A day at an office: 40 hosts ask for 400 names, and are answered. */
function quietCapture(): Buffer {
  const parts = [header()];
  for (let i = 0; i < packets / 2; i++) {
    const host = `10.0.0.${1 + (i % 40)}`;
    const question = Buffer.concat([
      name([words[i % words.length]!, `site${(i >> 3) % 20}`, 'example']),
      Buffer.from([0, 1, 0, 1]),
    ]);
    const query = Buffer.concat([Buffer.from([i >> 8, i & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]), question]);
    const answer = Buffer.concat([
      Buffer.from([i >> 8, i & 255, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]),
      question,
      Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]),
    ]);
    parts.push(
      frame(
        1_700_000_000 + Math.floor(i / 50),
        (i % 50) * 20_000,
        udp(host, 30_000 + (i % 40), '10.0.0.53', 53, query),
      ),
    );
    parts.push(
      frame(
        1_700_000_000 + Math.floor(i / 50),
        (i % 50) * 20_000 + 900,
        udp('10.0.0.53', 53, host, 30_000 + (i % 40), answer),
      ),
    );
  }
  return Buffer.concat(parts);
}

const path = join(mkdtempSync(join(tmpdir(), 'parapet-quiet-')), 'quiet.pcap');
writeFileSync(path, quietCapture());

async function pass(engine: Engine): Promise<void> {
  const reader = await openBytes(path);
  await reader.fill(4096);
  const source = pcap.open(reader, path);
  while (await source.pull(Number.POSITIVE_INFINITY, engine)) engine.advance(engine.seenAt);
  source.close();
}

describe('the quiet path', () => {
  it.each(['dns', 'flow'])('%s: nothing per packet, beside the read buffer and a promise a batch', async (plane) => {
    const findings: string[] = [];
    const engine = new Engine({
      city: defaultCity(),
      planes: new Set([plane]),
      evidenceAll: false,
      claim: (f) => void findings.push(f.title),
    });
    // Twice to learn and to warm up; then, when everything is known, the least of five: the compiler and the test runner
    // allocate beside us now and then, what is made per packet is there each time.
    await pass(engine);
    await pass(engine);
    let bytes = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 5; round++) {
      const before = getHeapStatistics().total_allocated_bytes!;
      await pass(engine);
      bytes = Math.min(bytes, getHeapStatistics().total_allocated_bytes! - before);
    }
    expect(findings).toEqual([]);
    expect(engine.rows.packet).toBe(7 * packets);
    // The read buffer (256 KiB) and a promise a batch are counted too.
    expect(bytes / packets).toBeLessThan(16);
  });
});
