// Keeps what a run found: findings, incidents, trust and verdicts in SQLite, the evidence behind them in Parquet.
import { EvidenceWriter, evidenceRows, openStore } from '#store';
import type { Outcome } from './analyze.ts';

/** @throws StoreError where the folder can't be written */
export async function keepOutcome(dir: string, outcome: Outcome): Promise<void> {
  const store = openStore(dir);
  const evidence = new EvidenceWriter(dir);
  try {
    store.saveFindings(outcome.findings);
    store.saveIncidents(outcome.incidents);
    store.saveTrust(outcome.trust);
    store.saveVerdicts(outcome.verdicts);
    for (const finding of outcome.findings) {
      let full = false;
      for (const row of evidenceRows(finding)) full = evidence.add(row);
      if (full) await evidence.flush();
    }
    await evidence.flush();
  } finally {
    await evidence.close();
    store.close();
  }
}
