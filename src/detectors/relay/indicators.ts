// Names of services that sell the bandwidth of devices, by role; looked up on dot boundaries, longest first.
import list from './indicators.json' with { type: 'json' };

export interface Indicator {
  readonly suffix: string;
  readonly service: string;
  readonly role: 'control' | 'gateway' | 'customer' | 'site';
  readonly confidence: number;
}

const bySuffix = new Map(list.names.map((n) => [n.suffix, n as Indicator]));

/** The entry for the name or its nearest parent. */
export function indicatorOf(name: string): Indicator | undefined {
  for (let at = 0; at >= 0; at = name.indexOf('.', at + 1)) {
    const found = bySuffix.get(at === 0 ? name : name.slice(at + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}
