export { type Executed, executeOnTruth, harmfulIds } from './execute.ts';
export type { RangeOptions, RangeSummary } from './scenario.ts';

import { type RangeOptions, type RangeSummary, runBlackout } from './scenario.ts';

export interface Scenario {
  readonly name: string;
  readonly text: string;
  readonly run: (options: RangeOptions) => RangeSummary;
}

export const scenarios: readonly Scenario[] = [
  {
    name: 'blackout',
    text: 'a 118-bus city with cellular meters: quiet days, then hijacked devices, false load and commands that would darken it',
    run: runBlackout,
  },
];

/** @throws RangeError where no scenario has that name. */
export function runScenario(name: string, options: RangeOptions): RangeSummary {
  const scenario = scenarios.find((s) => s.name === name);
  if (scenario === undefined)
    throw new RangeError(`no scenario "${name}": there are ${scenarios.map((s) => s.name).join(', ')}`);
  return scenario.run(options);
}
