// Histories of connections as paths in a tree that all flows share: a flow holds two octets, the place where its path has
// come to. Real traffic knows some hundred histories; one that finds the tree full stays as it is.

const NODES_MAX = 1 << 14;
/** Letters of a history that are kept; later ones are not. */
export const HISTORY_LETTERS_MAX = 31;

export class Histories {
  readonly #parent = new Uint16Array(NODES_MAX);
  readonly #letter = new Uint8Array(NODES_MAX);
  readonly #depth = new Uint8Array(NODES_MAX);
  /** By parent and letter, open addressing; node, 0 where it is free. */
  readonly #index = new Uint16Array(2 * NODES_MAX);
  #used = 1;

  /** @returns the history that has `letter` behind those of `node`; 0 is the empty one */
  after(node: number, letter: number): number {
    if (this.#depth[node]! >= HISTORY_LETTERS_MAX) return node;
    const mask = this.#index.length - 1;
    let slot = Math.imul((node << 8) | letter, 0x9e3779b1) >>> 17;
    for (; this.#index[slot] !== 0; slot = (slot + 1) & mask) {
      const child = this.#index[slot]!;
      if (this.#parent[child] === node && this.#letter[child] === letter) return child;
    }
    if (this.#used >= NODES_MAX) return node;
    const child = this.#used++;
    this.#parent[child] = node;
    this.#letter[child] = letter;
    this.#depth[child] = this.#depth[node]! + 1;
    this.#index[slot] = child;
    return child;
  }

  /** Writes the letters at `at`; @returns how many */
  write(node: number, out: Uint8Array, at: number): number {
    const letters = this.#depth[node]!;
    let n = node;
    for (let k = letters - 1; k >= 0; k--) {
      out[at + k] = this.#letter[n]!;
      n = this.#parent[n]!;
    }
    return letters;
  }
}
