// Measurement rows of the estimator: what is measured where, its value, its own variance, and how far it is trusted.
import type { Grid } from './grid.ts';

export const RowKind = { V: 0, P: 1, Q: 2, FromP: 3, FromQ: 4, ToP: 5, ToQ: 6 } as const;
export type RowKind = (typeof RowKind)[keyof typeof RowKind];

/** From this trust on a reading counts as trusted. */
export const trustedFrom = 0.5;
/** Trust below this counts as this: a distrusted row stays as a monitor (sigma x 100) and weights stay within 1e8. */
export const trustFloor = 1e-4;

export interface Row {
  readonly kind: RowKind;
  /** Bus index for V, P, Q; branch index for flows. */
  readonly element: number;
  /** pu */
  readonly value: number;
  /** The meter's own variance, pu squared; what a sum of meters has is the sum. */
  readonly variance: number;
  /** With trust: the sum of variance / trust over the meters that add up to the row. */
  readonly widened: number;
  /** Every asset behind it has at least `trustedFrom`. */
  readonly trusted: boolean;
  /** A fact of the grid (zero injection), not a reading. */
  readonly fact: boolean;
  readonly quantity: string;
  readonly assets: readonly string[];
}

export function makeRow(
  kind: RowKind,
  element: number,
  value: number,
  sigma: number,
  trust: number,
  quantity: string,
  assets: readonly string[],
): Row {
  const variance = sigma * sigma;
  return {
    kind,
    element,
    value,
    variance,
    widened: variance / Math.min(1, Math.max(trust, trustFloor)),
    trusted: trust >= trustedFrom,
    fact: false,
    quantity,
    assets,
  };
}

/** Standard deviation of "no injection here", pu: below any meter, yet near enough to keep the normal equations sound. */
const factSigma = 1e-3;

/** Two rows for every node that has neither load nor unit: free protection, since no meter speaks for them. */
export function zeroInjections(grid: Grid): Row[] {
  const busy = new Uint8Array(grid.busCount);
  for (let i = 0; i < grid.busCount; i++)
    if (grid.loadP[i] !== 0 || grid.loadQ[i] !== 0 || grid.busType[i] === 4) busy[grid.node[i]!] = 1;
  // A unit that stands still today may run tomorrow.
  for (let g = 0; g < grid.unitCount; g++) busy[grid.node[grid.unitBus[g]!]!] = 1;
  const out: Row[] = [];
  for (let i = 0; i < grid.busCount; i++) {
    if (grid.node[i] !== i || busy[i] === 1) continue;
    for (const kind of [RowKind.P, RowKind.Q]) {
      const quantity = `power/bus/${grid.busId[i]}/${kind === RowKind.P ? 'p' : 'q'}`;
      const variance = factSigma ** 2;
      out.push({
        kind,
        element: i,
        value: 0,
        variance,
        widened: variance,
        trusted: true,
        fact: true,
        quantity,
        assets: [],
      });
    }
  }
  return out;
}
