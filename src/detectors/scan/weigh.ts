// What tries that fail, and floods, are worth in bits.
import type { Reason } from '#findings';
import calibration from './calibration.json' with { type: 'json' };

const c = calibration;

export interface Tries {
  /** The walk of first contacts: up where one fails, down where one is answered (Jung et al. 2004). */
  readonly walk: number;
  readonly hosts: number;
  readonly ports: number;
  readonly failed: number;
  readonly answered: number;
  readonly sensitive: boolean;
  readonly field: boolean;
  readonly role: string;
  readonly spanMicros: number;
}

export function weighTries(t: Tries): { bits: number; reasons: Reason[]; how: 'hosts' | 'ports' } {
  const how = t.hosts >= c.hostsMin ? 'hosts' : 'ports';
  const distinct = how === 'hosts' ? t.hosts : t.ports;
  if (t.failed < c.failShareMin * (t.failed + t.answered)) return { bits: 0, reasons: [], how };
  if (t.walk < c.walkMin || (how === 'ports' && t.ports < c.portsMin)) return { bits: 0, reasons: [], how };
  const reasons: Reason[] = [
    {
      text: `${t.failed} first contacts with ${Math.round(distinct)} ${how} failed, ${t.answered} were answered, within ${span(t.spanMicros)}`,
      bits: Number(Math.min(c.targetBitsMax, c.targetBits * Math.log2(1 + distinct)).toFixed(2)),
    },
  ];
  if (t.sensitive) reasons.push({ text: 'at ports that administer or control', bits: c.sensitiveBits });
  if (t.field) reasons.push({ text: `a ${t.role} looks for nobody`, bits: c.fieldBits });
  reasons.sort((a, b) => b.bits - a.bits);
  return { bits: reasons.reduce((sum, r) => sum + r.bits, 0), reasons, how };
}

export interface Flood {
  readonly tries: number;
  readonly packets: number;
  readonly field: boolean;
  readonly role: string;
  /** Other hosts of the city that flood the same place now. */
  readonly others: number;
}

export function weighFlood(f: Flood): { bits: number; reasons: Reason[] } {
  const reasons: Reason[] = [];
  const tries = f.tries < c.floodTriesMin ? 0 : 2 * Math.log2(f.tries / c.floodTriesUnit);
  const packets = f.packets < c.floodPacketsMin ? 0 : 2 * Math.log2(f.packets / c.floodPacketsUnit);
  if (tries === 0 && packets === 0) return { bits: 0, reasons };
  const bits = Math.min(c.floodBitsMax, Math.max(tries, packets));
  reasons.push({
    text:
      tries >= packets
        ? `${f.tries} connections to one port in a minute, none answered`
        : `${Math.round(f.packets)} packets in a minute, hardly one answered`,
    bits: Number(bits.toFixed(2)),
  });
  if (f.field) reasons.push({ text: `a ${f.role} never speaks so fast`, bits: c.fieldBits });
  if (f.others > 0)
    reasons.push({
      text: `${f.others} other hosts of the city do the same to the same place`,
      bits: Math.min(c.togetherBitsMax, c.togetherBits * f.others),
    });
  return { bits: reasons.reduce((sum, r) => sum + r.bits, 0), reasons };
}

export function weighVictim(tries: number, usual: number, sources: number): { bits: number; reasons: Reason[] } {
  if (tries < c.victimTriesMin || tries < c.floodUsualRatio * usual) return { bits: 0, reasons: [] };
  const bits = Math.min(c.floodBitsMax, 2 * Math.log2(tries / c.victimTriesUnit));
  const reasons: Reason[] = [
    {
      text: `${tries} connections in ten seconds that it did not complete, at most ${usual} before`,
      bits: Number(bits.toFixed(2)),
    },
  ];
  if (sources >= 4)
    reasons.push({
      text: `from ${Math.round(sources)} addresses`,
      bits: Number(Math.min(4, c.victimSourcesBits * Math.log2(sources)).toFixed(2)),
    });
  return { bits: reasons.reduce((sum, r) => sum + r.bits, 0), reasons };
}

function span(micros: number): string {
  const seconds = micros / 1e6;
  if (seconds < 120) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
