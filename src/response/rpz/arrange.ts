// From the rules that actions want to the rules that are published: one action an owner (PowerDNS refuses a zone with two,
// PowerDNS/pdns#7452), nothing that a wildcard above says already, and no empty non-terminal below a wildcard, which BIND,
// Unbound and PowerDNS read in three ways (PowerDNS/pdns#8231; expect/rpz-matrix.tsv).
import { isBelow, labelsOf } from '../wire/index.ts';
import { CLIENT_TRIGGER, type Outcome, type Rule, sameOutcome } from './rule.ts';

/** @returns what is published, sorted by owner, or why these rules may not stand together */
export function arrange(rules: readonly Rule[]): Rule[] | string {
  const byOwner = new Map<string, Outcome>();
  for (const { owner, outcome } of rules) {
    const known = byOwner.get(owner);
    if (known !== undefined && !sameOutcome(known, outcome))
      return `${owner} already has another action: one owner has one action`;
    byOwner.set(owner, outcome);
  }
  for (const [owner, outcome] of [...byOwner]) if (isCovered(owner, outcome, byOwner)) byOwner.delete(owner);
  for (const owner of byOwner.keys()) {
    const gap = gapUnderWildcard(owner, byOwner);
    if (gap !== undefined)
      return `${owner} would leave ${gap} without a rule of its own under a wildcard, which resolvers read differently: give ${gap} and *.${gap} an action too`;
  }
  return [...byOwner].map(([owner, outcome]) => ({ owner, outcome })).sort((a, b) => (a.owner < b.owner ? -1 : 1));
}

/** Names above `owner` below which a wildcard is published, nearest first. */
function* wildcardsAbove(owner: string, byOwner: ReadonlyMap<string, Outcome>): Generator<[string, Outcome]> {
  const labels = labelsOf(owner);
  for (let i = 1; i < labels.length; i++) {
    const above = labels.slice(i).join('.');
    if (owner === `*.${above}`) continue;
    const outcome = byOwner.get(`*.${above}`);
    if (outcome !== undefined) yield [above, outcome];
  }
}

/** A refusal below a refused name adds nothing, whatever sort either is; nor does the same action again. */
function isCovered(owner: string, outcome: Outcome, byOwner: ReadonlyMap<string, Outcome>): boolean {
  if (owner.endsWith(`.${CLIENT_TRIGGER}`)) return false;
  for (const [, above] of wildcardsAbove(owner, byOwner)) {
    if (sameOutcome(above, outcome)) return true;
    return above.kind !== 'passthru' && outcome.kind !== 'passthru';
  }
  return false;
}

/** The first name from `owner` up to a wildcard above it that lacks a rule for itself or for what is below it. */
function gapUnderWildcard(owner: string, byOwner: ReadonlyMap<string, Outcome>): string | undefined {
  if (owner.endsWith(`.${CLIENT_TRIGGER}`)) return undefined;
  for (const [above] of wildcardsAbove(owner, byOwner)) {
    const labels = labelsOf(owner);
    for (let i = labels[0] === '*' ? 1 : 0; i < labels.length; i++) {
      const name = labels.slice(i).join('.');
      if (!isBelow(name, above)) break;
      if (!byOwner.has(name) || !byOwner.has(`*.${name}`)) return name;
    }
  }
  return undefined;
}
