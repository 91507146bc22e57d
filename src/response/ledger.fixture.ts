// For tests: a ledger in memory. All goes through JSON, as it would to disk.
import type { Action } from '#findings';
import type { KeptZone, Ledger, LedgerEvent, ZoneStep } from './ledger.ts';

export class MemoryLedger implements Ledger {
  readonly events: LedgerEvent[] = [];
  readonly #zones = new Map<string, KeptZone>();
  /** Set to make each write fail, as a full disk does. */
  full = false;

  append(event: LedgerEvent): void {
    if (this.full) throw new Error('the disk is full');
    this.events.push(JSON.parse(JSON.stringify(event)) as LedgerEvent);
  }
  latest(limit: number): Action[] {
    const byId = new Map<string, Action>();
    for (const { action } of this.events) {
      byId.delete(action.id);
      byId.set(action.id, action);
    }
    return [...byId.values()].reverse().slice(0, limit);
  }
  zone(name: string): KeptZone | undefined {
    return this.#zones.get(name);
  }
  saveZone(name: string, step: ZoneStep, keep: number): void {
    if (this.full) throw new Error('the disk is full');
    const known = this.#zones.get(name);
    const records = new Set(known?.records ?? []);
    for (const r of step.removed) records.delete(r);
    for (const r of step.added) records.add(r);
    const journal = known === undefined ? [] : [...known.journal, step].slice(-keep);
    this.#zones.set(name, { serial: step.to, records: [...records].sort(), journal });
  }
}
