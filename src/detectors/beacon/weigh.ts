// What a pair of host and place is worth in bits: pace, then what makes a pace suspicious. Regular is not hostile; a new place that
// nobody else calls is, the more so for a device that has only ever spoken to its own few.
import type { Reason } from '#findings';
import { weightOf } from '../claim.ts';
import calibration from './calibration.json' with { type: 'json' };
import type { Rhythm } from './rhythm.ts';

const c = calibration;

export interface Facts {
  readonly rhythm: Rhythm;
  readonly calls: number;
  readonly spanMicros: number;
  /** Hosts of the city that call the place. */
  readonly callers: number;
  /** Share of calls whose size is the median's. */
  readonly alike: number;
  readonly downBytesMedian: number;
  readonly named: boolean;
  readonly field: boolean;
  readonly role: string;
  /** The device called there already while it was learned. */
  readonly habit: boolean;
  /** Longest session, and whether its carrier names the place. */
  readonly sessionMicros: number;
  /** Addresses that took turns behind one certificate or client fingerprint. */
  readonly turns: number;
  readonly behind: string;
  /** What the place or the client is known by where it has no name, for a ticket; '' where by its address alone. */
  readonly mark: string;
  /** Calls within five seconds of the first. */
  readonly burst: number;
}

export function weigh(f: Facts): { bits: number; reasons: Reason[] } {
  const reasons: Reason[] = [];
  const add = (bits: number, text: string): void => {
    if (bits !== 0) reasons.push({ text, bits: Number(bits.toFixed(2)) });
  };
  const pace = Math.min(
    c.paceBits,
    (c.paceBits * Math.max(0, f.rhythm.bits - c.paceFloor)) / (c.paceFull - c.paceFloor),
  );
  const hours = f.sessionMicros / 3600e6;
  const session =
    f.sessionMicros < c.sessionMicrosMin ? 0 : Math.min(c.sessionBitsMax, c.sessionBits * Math.log2(8 * hours));
  // Without a pace or a session the rest says nothing.
  if (pace < 1 && session < 1) return { bits: 0, reasons };
  if (pace >= 1) {
    add(
      pace,
      `${Math.round(f.rhythm.share * 100)} % of the gaps lie within ${Math.round(f.rhythm.band * 100)} % of a period of ${words(f.rhythm.periodMicros)}`,
    );
    const stream = f.downBytesMedian > c.streamBytes;
    if (!stream)
      add(Math.min(c.callBitsMax, c.callBits * Math.log2(f.calls / c.callsMin)), `it has called ${f.calls} times`);
    add(f.alike > 0.6 ? c.alikeBits * f.alike : 0, `${Math.round(f.alike * 100)} % of the calls are of one size`);
    // Orders are small; what brings much at a pace is a stream or a download in parts.
    if (stream) add(-c.streamBits, 'each call brings much: a stream, not orders');
    // A page is loaded by several calls before it polls, and its reader leaves after some hours. An implant needs one call; it may
    // copy the visit, and pays with these bits.
    if (f.burst >= c.visitCallsMin && f.rhythm.periodMicros > c.visitPeriodMin)
      add(
        -(f.spanMicros < c.visitMicros ? c.visitBits : c.visitLongBits),
        'it began as a visit of a page does, with several calls at once',
      );
    if (f.turns >= 3) add(c.turnsBits, `its addresses took turns ${f.turns} times behind one ${f.behind}`);
  }
  if (session > 0) add(session, `one session was held for ${words(f.sessionMicros)}`);
  if (f.callers <= 1) add(c.aloneBits, 'nobody else in the city calls there');
  if (!f.named)
    add(
      c.noNameBits,
      f.mark === '' ? 'the place gave no name' : `the place gave no name; its ${f.behind} is ${f.mark}`,
    );
  if (f.habit)
    add(
      -(f.field ? c.habitFieldBits : c.habitBits),
      f.field ? `a ${f.role} that called there from the start: its own peer` : 'it called there from the start',
    );
  else
    add(
      f.field ? c.newFieldBits : c.newBits,
      f.field ? `a ${f.role} has no reason for a new place` : 'it never called there while it was learned',
    );
  return weightOf(reasons);
}

export function words(micros: number): string {
  const seconds = micros / 1e6;
  if (seconds < 120) return `${seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(1)} s`;
  return seconds < 7200 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
