// Seeded random numbers that split by name, so that adding a consumer leaves every other stream's draws alone.
// Generator: sfc32 (Doty-Humphrey, PractRand), 128 bits of state; a name is hashed into the state by FNV-1a and mixing.

export interface Random {
  /** Uniform in [0, 1), 32 bits of resolution. */
  uniform(): number;
  /** Uniform integer in [low, high]. */
  integer(low: number, high: number): number;
  /** Uniform 32-bit unsigned word. */
  word(): number;
  /** Standard normal times sigma (Box-Muller, one of the pair kept). */
  normal(sigma: number): number;
  /** Exponential waiting time with the given mean. */
  exponential(mean: number): number;
  /** True with the given probability. */
  chance(probability: number): boolean;
  /** One of the values. @throws RangeError where there are none */
  pick<T>(values: readonly T[]): T;
  /** Fills the range with random octets. */
  fill(bytes: Uint8Array, start?: number, end?: number): void;
  /** Shuffled copy (Fisher-Yates). */
  shuffled<T>(values: readonly T[]): T[];
  /** An independent stream that depends on this one's seed and the name only, not on draws made so far. */
  split(name: string | number): Random;
}

/** A stream for the seed; the same seed gives the same draws on every machine. */
export function seededRandom(seed: number | string): Random {
  return new Sfc32(hashName(0x811c9dc5, String(seed)));
}

function hashName(basis: number, name: string): number {
  let h = basis >>> 0;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

class Sfc32 implements Random {
  readonly #root: number;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;
  #spare = 0;
  #hasSpare = false;
  constructor(root: number) {
    this.#root = root;
    this.#a = root | 0;
    this.#b = hashName(root, 'b') | 0;
    this.#c = hashName(root, 'c') | 0;
    for (let i = 0; i < 12; i++) this.word();
  }
  word(): number {
    const t = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + t) | 0;
    return t >>> 0;
  }
  uniform(): number {
    return this.word() / 4294967296;
  }
  integer(low: number, high: number): number {
    return low + Math.floor(this.uniform() * (high - low + 1));
  }
  normal(sigma: number): number {
    if (this.#hasSpare) {
      this.#hasSpare = false;
      return this.#spare * sigma;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.#spare = radius * Math.sin(angle);
    this.#hasSpare = true;
    return radius * Math.cos(angle) * sigma;
  }
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.uniform());
  }
  chance(probability: number): boolean {
    return this.uniform() < probability;
  }
  pick<T>(values: readonly T[]): T {
    if (values.length === 0) throw new RangeError('nothing to pick from');
    return values[Math.floor(this.uniform() * values.length)] as T;
  }
  fill(bytes: Uint8Array, start = 0, end = bytes.length): void {
    let i = start;
    for (; i + 4 <= end; i += 4) {
      const w = this.word();
      bytes[i] = w;
      bytes[i + 1] = w >>> 8;
      bytes[i + 2] = w >>> 16;
      bytes[i + 3] = w >>> 24;
    }
    if (i < end) for (let w = this.word(); i < end; i++, w >>>= 8) bytes[i] = w;
  }
  shuffled<T>(values: readonly T[]): T[] {
    const out = [...values];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.integer(0, i);
      const held = out[i] as T;
      out[i] = out[j] as T;
      out[j] = held;
    }
    return out;
  }
  split(name: string | number): Random {
    return new Sfc32(hashName(this.#root, `/${name}`));
  }
}
