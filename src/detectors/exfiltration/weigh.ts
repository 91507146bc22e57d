// What a day's volume, and a push of what was fetched, are worth in bits.
import type { Reason } from '#findings';
import { weightOf } from '../claim.ts';
import calibration from './calibration.json' with { type: 'json' };

const c = calibration;

export interface Volume {
  readonly up: number;
  readonly down: number;
  /** Most of a day so far: of this peer where it is known, else of any new place of the device. */
  readonly usual: number;
  readonly isNew: boolean;
  readonly field: boolean;
  readonly role: string;
  readonly server: boolean;
  readonly callers: number;
  readonly named: boolean;
  /** Many new places together. */
  readonly together: boolean;
  /** Hours of the day in which something went there. */
  readonly hours: number;
  /** Most that this very place got in a day before. */
  readonly usualHere: number;
}

export function weighVolume(v: Volume): { bits: number; reasons: Reason[] } {
  const reasons: Reason[] = [];
  const add = (bits: number, text: string): void => void reasons.push({ text, bits: Number(bits.toFixed(2)) });
  const floor = v.server ? c.floorServerBytes : v.field ? c.floorFieldBytes : c.floorBytes;
  const excess = v.up / Math.max(floor, v.usual);
  const bits = Math.min(c.excessBitsMax, c.excessBits * Math.log2(Math.max(1, excess)));
  const isOutward = v.up > c.outwardRatio * v.down;
  // What people send away goes in one piece. What drips for hours to a place that never had such a day is told even from a device
  // that sends as much now and then.
  const drips = v.isNew && !v.together && isOutward && v.hours >= c.dripHours && v.up > 2 * v.usualHere;
  // Without a day beyond the device's own habit the rest says nothing.
  if (bits < 1 && !drips) return { bits: 0, reasons };
  add(bits, `${megabytes(v.up)} went out in a day, ${excess.toFixed(1)} times what is usual here`);
  if (v.isNew)
    add(
      v.field ? c.newFieldBits : c.newBits,
      v.field ? `a ${v.role} has no reason for a new place` : 'it never gave this place anything before',
    );
  else add(-c.habitBits, 'the place is one of its own');
  if (isOutward) add(c.outwardBits, 'hardly anything came back');
  if (drips) add(c.dripBits, `it went in pieces, in ${v.hours} hours of the day`);
  if (!v.together) {
    if (v.callers <= 1) add(c.aloneBits, 'nobody else in the city uses the place');
    else if (v.callers >= c.popular) add(-c.popularBits, 'several hosts of the city use the place');
    if (!v.named) add(c.noNameBits, 'the place gave no name');
  }
  return weightOf(reasons);
}

export interface Pass {
  readonly fetched: number;
  readonly pushed: number;
  /** Hosts that use the receiver in the same way. */
  readonly clients: number;
  readonly admin: boolean;
  readonly receiverServer: boolean;
}

export function weighPass(p: Pass): { bits: number; reasons: Reason[] } {
  const reasons: Reason[] = [];
  const apart = Math.abs(p.fetched - p.pushed) / p.fetched;
  // Sizes spread over some eight natural logarithms: two are this close by chance with 2 apart / 8. A few pairs are compared.
  const bits = Math.min(c.passBitsMax, -Math.log2((2 * (apart + 1e-4)) / 8) - 2);
  if (bits < 3 || p.receiverServer) return { bits: 0, reasons };
  reasons.push({
    text: `${megabytes(p.fetched)} came in and ${megabytes(p.pushed)} were pushed on within a minute: ${(100 * apart).toFixed(2)} % apart`,
    bits: Number(bits.toFixed(2)),
  });
  if (p.clients <= 1) reasons.push({ text: 'the receiver serves nobody else so', bits: c.passLoneBits });
  else if (p.clients >= 3) reasons.push({ text: 'the receiver serves several hosts so', bits: -c.passServerBits });
  if (p.admin) reasons.push({ text: 'pushed by a protocol that gives control of the receiver', bits: c.passAdminBits });
  return weightOf(reasons);
}

export function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;
}
