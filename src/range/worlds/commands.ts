// Commands of honest operators, each harmless on the true grid, and the record of the true state at each command.
import type { Random } from '#lib/random';
import { isoTime, type NdjsonWriter } from '../writer.ts';
import { cascade, islandsOf, Sensitivities } from './dc.ts';
import { districtBuses } from './district.ts';
import type { PowerWorld, TrueState } from './power.ts';

export interface CommandText {
  readonly at: number;
  readonly requester: string;
  readonly target: string;
  readonly action: string;
  readonly value?: number;
  readonly reason: string;
}
/** Highest DC N-1 loading an honest switching may leave, as the operators' own study would ask. */
const loadingMax = 0.95;
const lossMax = 0.001;

export class Commands {
  readonly #world: PowerWorld;
  readonly #random: Random;
  readonly #out: NdjsonWriter;
  readonly #states: NdjsonWriter;
  readonly #reopened: { row: number; at: number }[] = [];
  #count = 0;
  #turn = 0;

  constructor(random: Random, world: PowerWorld, out: NdjsonWriter, states: NdjsonWriter) {
    this.#world = world;
    this.#random = random;
    this.#out = out;
    this.#states = states;
  }
  get count(): number {
    return this.#count;
  }
  /** Writes a command and the true state it meets. */
  issue(c: CommandText, state: TrueState, onLine?: (line: number) => void): string {
    this.#count += 1;
    const id = `cmd-${String(this.#count).padStart(4, '0')}`;
    const nonce = [1, 2, 3, 4].map(() => this.#random.word().toString(16).padStart(8, '0')).join('');
    const { at, ...rest } = c;
    const deadline = isoTime(at + 300e6);
    this.#out.add(at, JSON.stringify({ kind: 'command', id, at: isoTime(at), ...rest, deadline, nonce }), onLine);
    this.note(state, id);
    return id;
  }
  /** Writes the true state of a scan or a command. */
  note(state: TrueState, command?: string): void {
    const g = this.#world.grid;
    const watts = (values: Float64Array): Record<string, number> =>
      Object.fromEntries(g.busId.map((bus, i) => [bus, Math.round(values[i]!)] as const).filter(([, w]) => w !== 0));
    const open = Array.from(state.closed, (v, k) => (v === 0 ? k + 1 : 0)).filter((row) => row > 0);
    const line = {
      at: isoTime(state.at),
      ...(command === undefined ? {} : { command }),
      loads: watts(state.loads),
      gens: watts(state.units),
      open,
    };
    this.#states.add(state.at, JSON.stringify(line));
  }
  /** One honest command at a time: what is due to be closed again, else by turns a set-point, an opening, a small shed. */
  honest(at: number, mayOpen: boolean): void {
    const state = this.#world.stateAt(at);
    const due = this.#reopened.find((r) => r.at <= at);
    if (due !== undefined) {
      this.#reopened.splice(this.#reopened.indexOf(due), 1);
      this.issue(
        {
          at,
          requester: this.#operator(),
          target: `power/branch/${due.row}`,
          action: 'close',
          reason: 'work on the line has ended',
        },
        state,
      );
      this.#world.closed[due.row - 1] = 1;
      return;
    }
    this.#turn += 1;
    if (this.#turn % 3 === 2 && mayOpen && this.#open(state)) return;
    if (this.#turn % 4 === 3) this.#shed(state);
    else this.#setPoint(state);
  }
  #operator(): string {
    return this.#random.pick(['operator-anna', 'operator-ben', 'operator-chen']);
  }
  #open(state: TrueState): boolean {
    const g = this.#world.grid;
    const rows = Array.from({ length: g.branchCount }, (_, k) => k + 1);
    let tries = 0;
    for (const row of this.#random.shuffled(rows)) {
      const k = row - 1;
      const ends = [g.busId[g.from[k]!]!, g.busId[g.to[k]!]!];
      if (state.closed[k] === 0 || g.tap[k] !== 1 || g.baseKv[g.from[k]!]! > 200) continue;
      if (ends.some((id) => districtBuses.includes(id))) continue;
      const after = state.closed.slice();
      after[k] = 0;
      if (islandsOf(g, after).some((r) => r !== 0)) continue;
      if (++tries > 12) return false;
      const s = new Sensitivities(g, after);
      if (s.worst(s.flows(state.units.map((w, i) => w - state.loads[i]!))).loading > loadingMax) continue;
      if (cascade(g, after, state.loads, state.units).lostShare > lossMax) continue;
      this.issue(
        {
          at: state.at,
          requester: this.#operator(),
          target: `power/branch/${row}`,
          action: 'open',
          reason: 'planned work on the line',
        },
        state,
      );
      this.#world.closed[k] = 0;
      this.#reopened.push({ row, at: state.at + this.#random.integer(35, 80) * 60e6 });
      return true;
    }
    return false;
  }
  #setPoint(state: TrueState): void {
    const g = this.#world.grid;
    const buses = g.busId.filter((id, i) => !districtBuses.includes(id) && state.units[i]! > 60e6 && id !== 69);
    const bus = this.#random.pick(buses);
    const i = g.indexOf.get(bus)!;
    const change = Math.round(
      (this.#random.chance(0.5) ? 1 : -1) * state.units[i]! * (0.01 + 0.02 * this.#random.uniform()),
    );
    const value = Math.round(Math.min(state.units[i]! + change, g.unitWattsMax[i]!));
    this.issue(
      {
        at: state.at,
        requester: this.#random.pick(['scheduler', this.#operator()]),
        target: `power/gen/${bus}`,
        action: 'set',
        value,
        reason: 'schedule',
      },
      state,
    );
    this.#world.changeUnit(i, state.at, state.at + 7200e6, value - state.units[i]!);
  }
  #shed(state: TrueState): void {
    const g = this.#world.grid;
    const buses = g.busId.filter((id, i) => !districtBuses.includes(id) && state.loads[i]! > 30e6);
    const bus = this.#random.pick(buses);
    const i = g.indexOf.get(bus)!;
    const value = Math.round(Math.min(4e6, state.loads[i]! * 0.05));
    this.issue(
      {
        at: state.at,
        requester: this.#operator(),
        target: `power/load/${bus}`,
        action: 'shed',
        value,
        reason: 'agreed demand response',
      },
      state,
    );
    this.#world.changeLoad(i, state.at, state.at + 1800e6, -value);
  }
}
