export { type DnsAttack, type DnsPlace, Ledger } from './attackers/dns-attack.ts';
export { type Cast, dnsCast, monthCast } from './attackers/dns-cast.ts';
export { profiles } from './attackers/proxyware-profiles.ts';
export { DnsBatches, renderDnsBatches } from './encode/dns-batches.ts';
export { type Executed, executeOnTruth, harmfulIds } from './execute.ts';
export type { RangeOptions, RangeSummary } from './scenario.ts';
export {
  DnsWorld,
  type DnsWorldOptions,
  Exchange,
  type ExchangeSource,
  exchanges,
  MergedSource,
} from './worlds/dns/index.ts';
export { FlowWorld, renderFlowBatches } from './worlds/flow/index.ts';

import { type RangeOptions, type RangeSummary, runBlackout } from './scenario.ts';
import { dnsScenarios, runDns } from './scenario-dns.ts';
import { flowScenarios, runFlow } from './scenario-flow.ts';

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
  ...flowScenarios.map((spec) => ({ name: spec.name, text: spec.text, run: (o: RangeOptions) => runFlow(spec, o) })),
  ...dnsScenarios.map((spec) => ({ name: spec.name, text: spec.text, run: (o: RangeOptions) => runDns(spec, o) })),
];

/** @throws RangeError where no scenario has that name. */
export function runScenario(name: string, options: RangeOptions): RangeSummary {
  const scenario = scenarios.find((s) => s.name === name);
  if (scenario === undefined)
    throw new RangeError(`no scenario "${name}": there are ${scenarios.map((s) => s.name).join(', ')}`);
  return scenario.run(options);
}
