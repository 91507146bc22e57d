// Serial numbers of zones: 32 bits, compared around the circle (RFC 1982).

/** Whether `a` is later than `b`. At a distance of exactly 2^31 neither is (RFC 1982, 3.2): then false. */
export function serialIsLater(a: number, b: number): boolean {
  const distance = (a - b) >>> 0;
  return distance !== 0 && distance < 0x8000_0000;
}

/**
 * The serial after `previous`: the clock's seconds where they are later, so that a lost ledger doesn't send consumers back in
 * time; else one more. 0 is skipped: some tools write it for "none".
 */
export function nextSerial(previous: number | undefined, atSeconds: number): number {
  const clock = Math.floor(atSeconds) >>> 0 || 1;
  if (previous === undefined || serialIsLater(clock, previous)) return clock;
  return (previous + 1) >>> 0 || 1;
}
