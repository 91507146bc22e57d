// The same traffic by two roads: as packets through decoders/flow, and through nfpcapd and nfdump, where these are installed.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { flow } from '#decoders/flow';
import { ip } from '#decoders/ip';
import { netflow } from '#decoders/netflow';
import { type EventBatch, FlowBatch, FlowPhase, type Sink } from '#events';
import { openBytes } from '#sources';
import { pcap } from '#sources/pcap';
import { pcapng } from '#sources/pcapng';
import { nfdump } from './index.ts';
import { readTexts, type Told, toldOf } from './testing.ts';
import { capture, expected } from './traffic.ts';

const folder = mkdtempSync(join(tmpdir(), 'nfdump-'));
afterAll(() => rmSync(folder, { recursive: true }));

const isInstalled = ['nfpcapd', 'nfdump'].every((tool) => {
  try {
    execFileSync(tool, ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
});

/** What nfdump prints for a capture. */
function printed(path: string, ...options: string[]): string {
  const out = mkdtempSync(join(folder, 'flows-'));
  execFileSync('nfpcapd', ['-r', path, '-w', out], { stdio: 'ignore' });
  const env = { ...process.env, TZ: 'UTC' };
  return execFileSync('nfdump', ['-R', out, ...options, '-o', 'csv'], { env, encoding: 'latin1', maxBuffer: 1 << 28 });
}

async function fromPackets(path: string): Promise<Told[]> {
  const flows: Told[] = [];
  const reader = await openBytes(path);
  await reader.fill(4096);
  const kind = [pcapng, pcap].find((k) => k.probe(reader.buffer.slice(reader.start, reader.end), path))!;
  const source = kind.open(reader, path);
  const link = ip.create();
  const decoder = flow.create();
  const sink: Sink = {
    emit: (b: EventBatch): void => {
      if (b.kind === 'frame') link.decode(b, sink);
      else if (b.kind === 'packet') decoder.decode(b, sink);
      else if (b instanceof FlowBatch)
        for (let i = 0; i < b.count; i++) if (b.phase[i] === FlowPhase.Close) flows.push(toldOf(b, i));
    },
    fault: () => {},
  };
  while (await source.pull(Number.POSITIVE_INFINITY, sink));
  source.close();
  link.end(sink);
  decoder.end(sink);
  return flows;
}

/** Packets and octets of each tuple, whoever began: how long a silence ends a flow is each exporter's own matter. */
function sums(flows: readonly Told[]): Record<string, number[]> {
  const out: Record<string, number[]> = {};
  for (const f of flows) {
    const [a, p, b, q] = f.ends.split(' ') as [string, string, string, string];
    const isTurned = a > b || (a === b && Number(p) > Number(q));
    const key = `${f.protocol} ${isTurned ? `${b} ${q} ${a} ${p}` : f.ends}`;
    const sum = (out[key] ??= [0, 0, 0, 0]);
    const [x, y] = isTurned ? [1, 0] : [0, 1];
    sum[0]! += f.packets[x]!;
    sum[1]! += f.packets[y]!;
    sum[2]! += f.bytes[x]!;
    sum[3]! += f.bytes[y]!;
  }
  return out;
}

describe.skipIf(!isInstalled)('through nfpcapd and nfdump (skipped where they are not installed)', () => {
  const path = join(folder, 'traffic.pcap');
  writeFileSync(path, capture());

  it.each([[[]], [['-a']], [['-b']], [['-B']]])(
    '%j: packets, octets and ends are those that were sent',
    async (options) => {
      const text = printed(path, ...options);
      expect(nfdump.probe(Buffer.from(text.slice(0, 4096), 'latin1'), 'x')).toBe(true);
      const { flows, faults } = await readTexts(nfdump, netflow.create(), [text]);
      expect(faults.map((f) => f.code)).toEqual([]);
      const bySctp = (f: { protocol: number }): boolean => f.protocol !== 132;
      expect(sums(flows.filter(bySctp))).toEqual(sums((await fromPackets(path)).filter(bySctp)));
      // Those that whole seconds leave open aside.
      const told = (f: readonly unknown[]): boolean => !String(f[0]).match(/ [67]000$/);
      expect(
        flows
          .filter(bySctp)
          .map((f) => [f.ends, f.protocol, f.packets, f.bytes])
          .filter(told)
          .sort(),
      ).toEqual(
        expected
          .map(([ends, protocol, , packets, bytes]) => [ends, protocol, packets, bytes])
          .filter(told)
          .sort(),
      );
    },
  );
});

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'flow', 'ndpi', 'lateral');
const captures = existsSync(corpus) ? readdirSync(corpus).filter((name) => name.endsWith('.pcap')) : [];

describe.skipIf(!isInstalled || captures.length === 0)(
  'corpus flow/ndpi/lateral (skipped where it, nfpcapd or nfdump is not there: set PARAPET_CORPUS)',
  () => {
    it.each(captures)('%s: packets and octets of every tuple', { timeout: 20_000 }, async (name) => {
      const path = join(corpus, name);
      const { flows, faults } = await readTexts(nfdump, netflow.create(), [printed(path)]);
      expect(faults).toEqual([]);
      expect(sums(flows)).toEqual(sums(await fromPackets(path)));
    });
  },
);
