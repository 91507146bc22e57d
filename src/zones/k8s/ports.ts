// Sets of (protocol, port) as sorted spans: what a rule names, what is left of it, how it is told. TCP, UDP and SCTP are the
// protocols that Kubernetes policies know (NetworkPolicyPort); what is none of them (ICMP) no policy speaks of.

export const protocols = ['SCTP', 'TCP', 'UDP'] as const;
export type Protocol = (typeof protocols)[number];
/** First and last port, both in. */
export type Span = readonly [number, number];

export const PORT_MAX = 65_535;
const whole: readonly Span[] = [[1, PORT_MAX]];
const nothing: readonly Span[] = [];

export class Ports {
  static readonly all = new Ports(whole, whole, whole);
  static readonly none = new Ports(nothing, nothing, nothing);
  readonly SCTP: readonly Span[];
  readonly TCP: readonly Span[];
  readonly UDP: readonly Span[];

  constructor(sctp: readonly Span[], tcp: readonly Span[], udp: readonly Span[]) {
    this.SCTP = sctp;
    this.TCP = tcp;
    this.UDP = udp;
  }

  /** All ports from `first` to `last`; none where the span is no span of ports. */
  static of(protocol: Protocol, first = 1, last = first === 1 ? PORT_MAX : first): Ports {
    if (!(first >= 1 && last >= first && last <= PORT_MAX)) return Ports.none;
    const spans: readonly Span[] = [[first, last]];
    return new Ports(
      protocol === 'SCTP' ? spans : nothing,
      protocol === 'TCP' ? spans : nothing,
      protocol === 'UDP' ? spans : nothing,
    );
  }

  get isAll(): boolean {
    return protocols.every((p) => this[p].length === 1 && this[p][0]![0] === 1 && this[p][0]![1] === PORT_MAX);
  }
  get isNone(): boolean {
    return protocols.every((p) => this[p].length === 0);
  }
  has(protocol: Protocol, port: number): boolean {
    return this[protocol].some(([first, last]) => port >= first && port <= last);
  }

  union(other: Ports): Ports {
    if (this.isNone || other.isAll) return other;
    if (other.isNone || this.isAll) return this;
    return each((p) => joined([...this[p], ...other[p]]));
  }
  intersect(other: Ports): Ports {
    if (this.isAll || other.isNone) return other;
    if (other.isAll || this.isNone) return this;
    return each((p) => common(this[p], other[p]));
  }
  subtract(other: Ports): Ports {
    if (other.isNone || this.isNone) return this;
    if (other.isAll) return Ports.none;
    return each((p) => common(this[p], gaps(other[p])));
  }
  equals(other: Ports): boolean {
    return this.text() === other.text();
  }

  /** `All Connections`, or `TCP 80,8080-8090,UDP 53`. */
  text(): string {
    if (this.isAll) return 'All Connections';
    return protocols
      .filter((p) => this[p].length > 0)
      .map(
        (p) => `${p} ${this[p].map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',')}`,
      )
      .join(',');
  }
}

function each(spans: (p: Protocol) => readonly Span[]): Ports {
  return new Ports(spans('SCTP'), spans('TCP'), spans('UDP'));
}

/** Sorted, neighbours fused. */
function joined(spans: readonly Span[]): readonly Span[] {
  const out: [number, number][] = [];
  for (const [first, last] of [...spans].sort((a, b) => a[0] - b[0])) {
    const before = out.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else out.push([first, last]);
  }
  return out;
}

function common(a: readonly Span[], b: readonly Span[]): readonly Span[] {
  const out: Span[] = [];
  for (const [f, l] of a)
    for (const [g, m] of b) {
      const first = Math.max(f, g);
      const last = Math.min(l, m);
      if (first <= last) out.push([first, last]);
    }
  return joined(out);
}

function gaps(spans: readonly Span[]): readonly Span[] {
  const out: Span[] = [];
  let next = 1;
  for (const [first, last] of spans) {
    if (first > next) out.push([next, first - 1]);
    next = last + 1;
  }
  if (next <= PORT_MAX) out.push([next, PORT_MAX]);
  return out;
}
