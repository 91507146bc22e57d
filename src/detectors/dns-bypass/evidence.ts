// What each kind of claim weighs, in bits. Only where city.yaml names resolvers is there a rule to break, and only a field
// device has no business to choose for itself: for all others encrypted DNS is a matter of coverage.
import type { Reason } from '#findings';
import calibration from './calibration.json' with { type: 'json' };
import type { Client, Foreign, Use } from './client.ts';

const t = calibration.terms;

export interface Judgement {
  bits: number;
  reasons: Reason[];
}

function total(reasons: Reason[]): Judgement {
  const told = reasons
    .filter((r) => Math.abs(r.bits) >= 0.05)
    .map((r) => ({ ...r, bits: Math.round(r.bits * 100) / 100 }));
  told.sort((a, b) => Math.abs(b.bits) - Math.abs(a.bits));
  return { bits: told.reduce((sum, r) => sum + r.bits, 0), reasons: told };
}

const words: Readonly<Record<Use['protocol'], string>> = {
  DoT: 'DNS over TLS',
  DoQ: 'DNS over QUIC',
  DoH: 'DNS over HTTPS',
  DNSCrypt: 'DNSCrypt',
  plain: 'plain DNS',
  hint: 'steps towards encrypted DNS',
};

/** @param left it has stopped asking the city's resolvers */
export function judgeUses(c: Client, left: boolean): Judgement {
  const protocols = new Map<Use['protocol'], Use[]>();
  for (const u of c.uses) {
    if (u.allowed) continue;
    const list = protocols.get(u.protocol);
    if (list === undefined) protocols.set(u.protocol, [u]);
    else list.push(u);
  }
  const ranked = [...protocols].sort((a, b) => t.use[b[0]] - t.use[a[0]]);
  const reasons = ranked.map(([protocol, uses], i) => ({
    text: `${words[protocol]}: ${uses.reduce((n, u) => n + u.count, 0)} to ${uses
      .slice(0, 4)
      .map((u) => u.to)
      .join(', ')}`,
    bits: i === 0 ? t.use[protocol] : t.further,
  }));
  if (left && ranked.length > 0 && ranked[0]![0] !== 'hint')
    reasons.push({ text: 'it asks the city’s resolvers no more', bits: t.left });
  return total(reasons);
}

export function judgeForeign(f: Foreign, isField: boolean): Judgement {
  // A stray datagram or a broken message is a fault, not a talk.
  if (f.messages < t.foreignMessagesMin) return { bits: 0, reasons: [] };
  const bytes = f.bytesUp + f.bytesDown;
  return total([
    {
      text: `${f.messages} messages of together ${f.bytesUp} bytes up and ${f.bytesDown} down that are no DNS`,
      bits: Math.min(t.foreignMax, t.foreignSlope * Math.log2(1 + bytes / t.foreignScaleBytes)),
    },
    { text: 'both sides send', bits: f.bytesUp > 0 && f.bytesDown > 0 ? t.foreignBothWays : 0 },
    { text: 'a field device has no use for that', bits: isField ? t.foreignField : 0 },
  ]);
}

/** Three octets that iodine's raw mode begins with: once in 16 million by chance, twice not at all. */
export function judgeRaw(f: Foreign): Judgement {
  return total([
    {
      text: `${f.messages} messages begin as those of iodine’s raw mode: ${f.bytesUp} bytes up, ${f.bytesDown} down`,
      bits: f.messages > 1 ? t.raw : t.rawOnce,
    },
  ]);
}

/** @param peers addresses of the outside that the client spoke to and no answer named */
export function judgeBlind(peers: number): Judgement {
  if (peers < t.blindPeersMin) return { bits: 0, reasons: [] };
  return total([
    { text: `it speaks to ${peers} addresses that no answer named, and asks no more`, bits: t.blind },
    { text: 'many of them', bits: Math.min(2, Math.log2(peers / t.blindPeersMin)) },
  ]);
}
