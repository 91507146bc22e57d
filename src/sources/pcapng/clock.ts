// An interface's 64-bit time stamps as whole microseconds, exactly: if_tsresol is a power of ten, or with its top bit of two
// (draft-ietf-opsawg-pcapng 4.2). In floating point a nanosecond stamp would come out a microsecond late now and then.

/** Whether a time can be said as a date: 1970 to 9999. A hostile resolution or offset must not carry event time beyond. */
export function isPossible(micros: number): boolean {
  return micros >= 0 && micros < 253_402_300_799e6;
}

/** Powers of ten up to picoseconds are divided in Numbers: a remainder below 10^6 times 2^32 stays below 2^53. */
const DIGITS_MAX = 12;

export class Clock {
  /** Ticks of a microsecond, where they are whole and few enough; else 0. */
  readonly #ticks: number;
  readonly #resolution: number;
  readonly #offsetMicros: number;

  /** @param offsetSeconds if_tsoffset; one that no Number holds exactly makes every time impossible */
  constructor(resolution: number, offsetSeconds: number) {
    this.#resolution = resolution;
    this.#ticks = resolution >= 6 && resolution <= DIGITS_MAX ? 10 ** (resolution - 6) : 0;
    this.#offsetMicros = offsetSeconds * 1e6;
  }

  /** Microseconds since 1970, cut to whole ones; outside of isPossible it need not be exact. */
  microsOf(high: number, low: number): number {
    const ticks = this.#ticks;
    if (ticks === 0) return this.#slow(high, low) + this.#offsetMicros;
    const rest = high % ticks;
    return ((high - rest) / ticks) * 4294967296 + Math.floor((rest * 4294967296 + low) / ticks) + this.#offsetMicros;
  }

  #slow(high: number, low: number): number {
    const stamp = (BigInt(high) << 32n) | BigInt(low);
    const power = this.#resolution & 0x7f;
    if (this.#resolution >= 0x80) return Number((stamp * 1_000_000n) >> BigInt(power));
    // 2^64 ticks of 10^-26 s are no microsecond.
    if (power >= 26) return 0;
    return power >= 6 ? Number(stamp / 10n ** BigInt(power - 6)) : Number(stamp * 10n ** BigInt(6 - power));
  }
}
