// Exporters that don't say whether they sample, for the coverage of a run: their counts stand as they came, or are
// multiplied by what city.yaml sets for them (ipt-netflow#185: a rate is told, set by the operator and marked as such, or not known).
import type { Sink } from '#events';
import { formatAddress } from '#lib/address';
import type { Domain } from './domain.ts';

/** Addresses in a sentence; the others are counted. */
const NAMED_MAX = 8;
/** Addresses kept apart, so that an exporter of several domains counts once. */
const KEPT_MAX = 4096;

export class Untold {
  readonly #unknown = new Set<string>();
  readonly #set = new Set<string>();

  /** The first record of a domain whose rate no one told: its exporter is named once. */
  note(domain: Domain, sink: Sink): void {
    const exporters = domain.samplingSet > 0 ? this.#set : this.#unknown;
    const exporter = formatAddress(domain.words, 0);
    if (exporters.size >= KEPT_MAX || exporters.has(exporter)) return;
    exporters.add(exporter);
    if (exporters === this.#set)
      sink.cover?.(
        'flow',
        'sampling-set',
        exporters.size,
        `exporters do not say whether they sample; their counts are multiplied by the rates of city.yaml: ${list(exporters)}`,
      );
    else
      sink.cover?.(
        'flow',
        'sampling-unknown',
        exporters.size,
        `exporters do not say whether they sample, so that counts stand as they came: ${list(exporters)}; let them export their rate, or set it under exporters in city.yaml`,
      );
  }
}

function list(exporters: ReadonlySet<string>): string {
  const named = [...exporters].slice(0, NAMED_MAX).join(', ');
  return exporters.size > NAMED_MAX ? `${named} and ${exporters.size - NAMED_MAX} more` : named;
}
