// Where knowledge meets: findings lower trust and join into incidents, twins estimate with that trust, commands are judged.
import type { City } from '#city';
import type { Command, EventBatch, Reading } from '#events';
import type { Finding, Incident, State, TrustRecord, Verdict } from '#findings';
import { Incidents } from '#incidents';
import { assetKey, Trust } from '#trust';

/** Findings kept in memory; the least certain of the oldest go first. */
const FINDINGS_MAX = 100_000;

export class Hub {
  readonly trust = new Trust();
  readonly incidents: Incidents;
  readonly findings = new Map<string, Finding>();
  readonly verdicts: Verdict[] = [];
  readonly states: State[] = [];
  shed = 0;
  readonly #changedAssets = new Map<string, number>();

  constructor(city: City) {
    this.incidents = new Incidents(city);
  }

  claim(finding: Finding): void {
    if (!this.findings.has(finding.id) && this.findings.size >= FINDINGS_MAX) {
      const oldest = this.findings.keys().next().value;
      if (oldest !== undefined) this.findings.delete(oldest);
      this.shed += 1;
    }
    this.findings.set(finding.id, finding);
    if (this.trust.learn(finding)) this.#changedAssets.set(assetKey(finding.asset), finding.at);
    this.incidents.join(finding);
  }

  take(batch: EventBatch): void {
    if (batch.kind === 'reading') for (const reading of batch.records) this.reading(reading);
    else if (batch.kind === 'command') for (const command of batch.records) this.command(command);
  }

  reading(_reading: Reading): void {}

  command(_command: Command): void {}

  /** Trust of the assets that findings have touched, at event time `at`. */
  trustRecords(at: number): TrustRecord[] {
    return this.trust.records(at);
  }

  allIncidents(): Incident[] {
    return this.incidents.all();
  }
}
