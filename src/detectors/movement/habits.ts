// Who acts on whom, in which way, since when: what is old and was not claimed is a habit, a target of several is a server, and a
// source of several targets administers.
import { BoundedMap } from '../bounded-map.ts';
import { SHARED } from './card.ts';

/** Edges, clients and sources remembered, each. */
const EDGES_MAX = 50_000;
/** What was seen this long ago first is a habit. */
export const LEARN_MICROS = 6 * 3600e6;

interface Edge {
  firstAt: number;
  suspect: boolean;
}
interface Target {
  readonly to: string;
  readonly at: number;
}

export class Habits {
  /** When a source first took a way to a target. */
  readonly #edges: BoundedMap<string, Edge>;
  /** Clients of a target by way, and targets of a source by way: the first few. */
  readonly #clients: BoundedMap<string, string[]>;
  readonly #targets: BoundedMap<string, Target[]>;

  constructor(shed: () => void) {
    this.#edges = new BoundedMap(EDGES_MAX, shed);
    this.#clients = new BoundedMap(EDGES_MAX, shed);
    this.#targets = new BoundedMap(EDGES_MAX, shed);
  }

  /** Notes that a source takes a way to a target. @returns whether it always did */
  isHabit(from: string, to: string, way: string, at: number): boolean {
    const served = `${to}|${way}`;
    const clients = this.#clients.get(served) ?? this.#clients.add(served, []);
    if (clients.length < SHARED && !clients.includes(from)) clients.push(from);
    const source = `${from}|${way}`;
    const targets = this.#targets.get(source) ?? this.#targets.add(source, []);
    if (targets.length < 2 * SHARED && !targets.some((t) => t.to === to)) targets.push({ to, at });
    const key = `${from}>${to}|${way}`;
    const edge = this.#edges.get(key);
    if (edge !== undefined) return !edge.suspect && at - edge.firstAt >= LEARN_MICROS;
    this.#edges.add(key, { firstAt: at, suspect: false });
    return false;
  }

  /** What is claimed becomes no habit. */
  suspect(from: string, to: string, way: string): void {
    const edge = this.#edges.get(`${from}>${to}|${way}`);
    if (edge !== undefined) edge.suspect = true;
  }

  /** Whether several sources take the way to the target. */
  serves(to: string, way: string): boolean {
    return this.#clients.get(`${to}|${way}`)!.length >= SHARED;
  }

  /** Whether the source takes the way to several others since long. */
  fansOut(from: string, to: string, way: string, at: number): boolean {
    const others = this.#targets.get(`${from}|${way}`)!.filter((t) => t.to !== to && at - t.at >= LEARN_MICROS);
    return others.length >= SHARED;
  }

  /** Whether the target is the first that the source took the way to. */
  isFirst(from: string, to: string, way: string): boolean {
    return this.#targets.get(`${from}|${way}`)![0]!.to === to;
  }

  save(): object {
    return { edges: [...this.#edges], clients: [...this.#clients], targets: [...this.#targets] };
  }

  load(from: Record<string, unknown>): void {
    this.#edges.load(from.edges);
    this.#clients.load(from.clients);
    this.#targets.load(from.targets);
  }
}
