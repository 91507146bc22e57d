// Captures of export datagrams in tests, through ip as the pipeline joins them.
import { readFileSync } from 'node:fs';
import { ip } from '#decoders/ip';
import type { EventBatch, Sink } from '#events';
import { Collector, recording, type Told } from './testing.ts';

/** What a test opens: a source, which this room does not know. */
interface Frames {
  pull(until: number, sink: Sink): Promise<boolean>;
  close(): void;
}

export interface Read {
  records: Told[];
  codes: string[];
  collector: Collector;
}

/** Feeds files in their order: captures, or one datagram of one exporter. */
export async function readFiles(paths: readonly string[], open: (path: string) => Promise<Frames>): Promise<Read> {
  const collector = new Collector();
  const captures = new Map<string, EventBatch[]>();
  for (const path of paths) if (path.endsWith('.pcap')) captures.set(path, await batchesOf(await open(path)));
  const { records } = recording(() => {
    for (const path of paths) {
      const batches = captures.get(path);
      if (batches === undefined) collector.send({ bytes: readFileSync(path) });
      else for (const b of batches) collector.take(b);
    }
  });
  collector.closed();
  return { records, codes: collector.codes(), collector };
}

async function batchesOf(source: Frames): Promise<EventBatch[]> {
  const out: EventBatch[] = [];
  const link = ip.create();
  const sink: Sink = {
    // Copied: a batch is lent.
    emit: (b) => (b.kind === 'frame' ? link.decode(b, sink) : void out.push(structuredClone(b))),
    fault: () => {},
  };
  while (await source.pull(Number.POSITIVE_INFINITY, sink)) {}
  source.close();
  link.end(sink);
  return out;
}
