// Run by store.test.ts as a child that is killed: writes checkpoints without end, and prints the number of each one once
// its commit has returned. Every part of checkpoint n carries n, so that a mixed one shows.
import { writeSync } from 'node:fs';
import { openStore } from '#store';

const store = openStore(process.argv[2]!);
let n = store.lastCheckpoint()?.at ?? 0;
for (;;) {
  n += 1;
  const at = n;
  store.checkpoint({
    at,
    sources: Array.from({ length: 5 }, (_, i) => ({ file: `in${i}`, position: at * 10 + i })),
    detectors: Array.from({ length: 8 }, (_, i) => ({
      name: `d${i}`,
      state: { version: 1, table: new Array(2000).fill(at) },
    })),
    trust: [{ kind: 'trust', asset: 'm1', at, trust: 1 / at, because: [] }],
    incidents: [
      {
        kind: 'incident',
        id: 'i1',
        title: 'one',
        severity: 'low',
        confidence: 1,
        assets: [],
        planes: [],
        findings: [],
        firstAt: 0,
        lastAt: at,
        story: [],
        techniques: [],
        response: [],
      },
    ],
  });
  writeSync(1, `${at}\n`);
}
