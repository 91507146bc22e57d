// The grid as a drawing. Loading shows as width, a line past its limit as a double line with its figure, an open one as
// dashes, one that its protection opened as dots with a cross: every state has a shape, colour only repeats it.
import { useMemo } from 'preact/hooks';
import type { WireGrid } from './wire.ts';
import { percent, plural } from './words.ts';

type Branch = WireGrid['branches'][number];
type Bus = WireGrid['buses'][number];

/** Figures written beside lines; more would cover the drawing. The list below it has all. */
const LABELS_MAX = 5;
const MARGIN = 22;
/** Room a figure needs, in the drawing's units (for the large figures of a narrow screen). */
const LABEL_WIDTH = 84;
const LABEL_HEIGHT = 32;

const isOver = (b: Branch): boolean => !b.open && b.tripped !== true && (b.loading > 1 || b.overloadedAfter === true);
const isDoubted = (b: Bus): boolean => b.trust !== undefined && b.trust < 0.5;

export function Grid({ view, asked }: { view: WireGrid; asked: number }) {
  const { box, lines } = useMemo(() => geometry(view), [view]);
  const worst = labelled(view, lines, asked);
  const marked = view.branches.find((b) => b.row === asked);
  return (
    <svg class="grid" viewBox={box} role="img" aria-label={`${view.label}. ${view.text ?? inWords(view)}`}>
      <g class="lines">
        {view.branches.map((b) => (
          <Line key={b.row} branch={b} d={lines.get(b.row)!.d} asked={b.row === asked} />
        ))}
      </g>
      <g class="crosses">
        {view.branches
          .filter((b) => b.tripped === true)
          .map((b) => {
            const { x, y } = lines.get(b.row)!;
            return <path key={b.row} d={`M${x - 5} ${y - 5}l10 10M${x + 5} ${y - 5}l-10 10`} />;
          })}
      </g>
      <g class="buses">
        {view.buses.map((b) => (
          <BusMark key={b.id} bus={b} />
        ))}
      </g>
      <g class="labels">
        {worst.map((b) => {
          const { x, y } = lines.get(b.row)!;
          return (
            <text key={b.row} x={x} y={y - 7}>
              {percent(b.loading)}
            </text>
          );
        })}
        {marked !== undefined && <Asked branch={marked} at={lines.get(marked.row)!} />}
      </g>
    </svg>
  );
}

/** The lines furthest past their limit whose figures don't cover one another or the flag. */
function labelled(view: WireGrid, lines: ReadonlyMap<number, { x: number; y: number }>, asked: number): Branch[] {
  const flag = lines.get(asked);
  const taken = flag === undefined ? [] : [{ x: flag.x, y: flag.y - 10 }];
  const chosen: Branch[] = [];
  for (const b of view.branches.filter(isOver).sort((p, q) => q.loading - p.loading)) {
    const { x, y } = lines.get(b.row)!;
    if (b.row === asked || taken.some((t) => Math.abs(t.x - x) < LABEL_WIDTH && Math.abs(t.y - y) < LABEL_HEIGHT))
      continue;
    taken.push({ x, y });
    chosen.push(b);
    if (chosen.length >= LABELS_MAX) break;
  }
  return chosen;
}

function Line({ branch, d, asked }: { branch: Branch; d: string; asked: boolean }) {
  const state = branch.tripped === true ? 'tripped' : branch.open ? 'open' : isOver(branch) ? 'over' : 'closed';
  const width = state === 'closed' ? 0.8 + 2.6 * Math.min(branch.loading, 1) : undefined;
  const title = `Line ${branch.row}, bus ${branch.from} to bus ${branch.to}: ${
    state === 'tripped'
      ? 'opened by its protection'
      : state === 'open'
        ? 'open'
        : `${percent(branch.loading)} of its limit`
  }`;
  return (
    <g class={`line line-${state}`}>
      {asked && <path class="line-asked" d={d} />}
      <path class="line-body" d={d} style={width === undefined ? {} : { strokeWidth: `${width.toFixed(2)}px` }}>
        <title>{title}</title>
      </path>
      {state === 'over' && <path class="line-core" d={d} />}
    </g>
  );
}

function BusMark({ bus }: { bus: Bus }) {
  const r = 3 + 11 * Math.sqrt(bus.loadShare ?? 0);
  const title = `Bus ${bus.id}: ${bus.dark === true ? 'without supply' : `voltage ${bus.vm.toFixed(3)} of nominal`}${
    isDoubted(bus) ? `; its readings are trusted ${percent(bus.trust!)}` : ''
  }`;
  return (
    <g class={bus.dark === true ? 'bus bus-dark' : 'bus'}>
      {isDoubted(bus) && <circle class="bus-doubt" cx={bus.x} cy={bus.y} r={r + 5} />}
      {bus.dark === true ? (
        <rect x={bus.x - r} y={bus.y - r} width={2 * r} height={2 * r}>
          <title>{title}</title>
        </rect>
      ) : (
        <circle cx={bus.x} cy={bus.y} r={r}>
          <title>{title}</title>
        </circle>
      )}
    </g>
  );
}

/** The flag on the line a command is about. */
function Asked({ branch, at }: { branch: Branch; at: { x: number; y: number } }) {
  return (
    <g class="flag" transform={`translate(${at.x} ${at.y})`}>
      <path d="M0 -9 9 0 0 9 -9 0Z" />
      <text y={-16}>line {branch.row}</text>
    </g>
  );
}

/** Where lines run: straight, and bent apart where several join the same two buses. */
function geometry(view: WireGrid) {
  const places = new Map(view.buses.map((b) => [b.id, b]));
  const beside = new Map<string, number>();
  const lines = new Map<number, { d: string; x: number; y: number }>();
  for (const b of view.branches) {
    const from = places.get(b.from);
    const to = places.get(b.to);
    if (from === undefined || to === undefined) {
      lines.set(b.row, { d: '', x: 0, y: 0 });
      continue;
    }
    const key = b.from < b.to ? `${b.from} ${b.to}` : `${b.to} ${b.from}`;
    const nth = beside.get(key) ?? 0;
    beside.set(key, nth + 1);
    const mx = (from.x + to.x) / 2;
    const my = (from.y + to.y) / 2;
    if (nth === 0) {
      lines.set(b.row, { d: `M${from.x} ${from.y}L${to.x} ${to.y}`, x: mx, y: my });
      continue;
    }
    const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
    const bend = 9 * nth * (b.from < b.to ? 1 : -1);
    const cx = mx - ((to.y - from.y) / length) * bend * 2;
    const cy = my + ((to.x - from.x) / length) * bend * 2;
    lines.set(b.row, { d: `M${from.x} ${from.y}Q${cx} ${cy} ${to.x} ${to.y}`, x: (mx + cx) / 2, y: (my + cy) / 2 });
  }
  const xs = view.buses.map((b) => b.x);
  const ys = view.buses.map((b) => b.y);
  const x0 = Math.min(...xs, 0) - MARGIN;
  const y0 = Math.min(...ys, 0) - MARGIN;
  const box = `${x0} ${y0} ${Math.max(...xs, 1) + MARGIN - x0} ${Math.max(...ys, 1) + MARGIN - y0}`;
  return { box, lines };
}

function inWords(view: WireGrid): string {
  const count = (test: (b: Branch) => boolean): number => view.branches.filter(test).length;
  const dark = view.buses.filter((b) => b.dark === true).length;
  return [
    `${plural(view.buses.length, 'bus', 'buses')} and ${plural(view.branches.length, 'line')}`,
    `${count(isOver)} past their limit`,
    `${count((b) => b.tripped === true)} opened by their protection`,
    `${plural(dark, 'bus', 'buses')} without supply`,
  ].join(', ');
}

/** The drawing's abnormal parts as words, for those who can't or won't read it. */
export function GridList({ view }: { view: WireGrid }) {
  const over = view.branches.filter(isOver).sort((a, b) => b.loading - a.loading);
  const tripped = view.branches.filter((b) => b.tripped === true);
  const dark = view.buses.filter((b) => b.dark === true);
  const doubted = view.buses.filter(isDoubted);
  return (
    <details class="grid-list">
      <summary>The drawing in words</summary>
      <p>{inWords(view)}.</p>
      <ul>
        {over.length > 0 && (
          <li>
            Past their limit:{' '}
            {over.map((b) => `line ${b.row} (bus ${b.from} to ${b.to}) ${percent(b.loading)}`).join('; ')}
          </li>
        )}
        {tripped.length > 0 && <li>Opened by protection: {tripped.map((b) => `line ${b.row}`).join(', ')}</li>}
        {dark.length > 0 && <li>Without supply: {dark.map((b) => `bus ${b.id}`).join(', ')}</li>}
        {doubted.length > 0 && <li>Readings in doubt: {doubted.map((b) => `bus ${b.id}`).join(', ')}</li>}
      </ul>
    </details>
  );
}

/** Names only what this picture shows. */
export function GridLegend({ view }: { view: WireGrid }) {
  const items: [boolean, string, preact.ComponentChildren][] = [
    [true, 'thicker: nearer to its limit', <LegendLine key="l" state="closed" width="3px" />],
    [view.branches.some(isOver), 'past its limit', <LegendLine key="o" state="over" />],
    [view.branches.some((b) => b.tripped === true), 'opened by protection', <LegendLine key="t" state="tripped" />],
    [view.branches.some((b) => b.open && b.tripped !== true), 'open', <LegendLine key="p" state="open" />],
    [
      view.buses.some((b) => b.dark === true),
      'without supply',
      <g key="d" class="bus bus-dark">
        <rect x="11" y="2" width="8" height="8" />
      </g>,
    ],
    [
      view.buses.some(isDoubted),
      'readings in doubt',
      <g key="q" class="bus">
        <circle class="bus-doubt" cx="15" cy="6" r="5.500" />
        <circle cx="15" cy="6" r="2" />
      </g>,
    ],
  ];
  return (
    <ul class="legend" aria-label="What the marks mean">
      {items
        .filter(([present]) => present)
        .map(([, word, mark]) => (
          <li key={word}>
            <svg viewBox="0 0 30 12" width="30" height="12" aria-hidden="true">
              {mark}
            </svg>
            {word}
          </li>
        ))}
    </ul>
  );
}

function LegendLine({ state, width }: { state: string; width?: string }) {
  return (
    <g class={`line line-${state}`}>
      <path class="line-body" d="M1 6H29" style={width === undefined ? {} : { strokeWidth: width }} />
      {state === 'over' && <path class="line-core" d="M1 6H29" />}
      {state === 'tripped' && <path class="legend-cross" d="M12 3l6 6M18 3l-6 6" />}
    </g>
  );
}
