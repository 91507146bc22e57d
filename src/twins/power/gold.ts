// The tab-separated measurement format: `row type bus branch_row fbus tbus value_pu sigma_pu`, with types vm, pi, qi,
// pf, qf, pt, qt; flows leave the named end, injections are generation minus load, `#` starts a comment line.
import type { Fault } from '#findings';
import type { Grid } from './grid.ts';
import { makeRow, type Row, RowKind } from './rows.ts';

const kinds: Readonly<Record<string, RowKind>> = {
  vm: RowKind.V,
  pi: RowKind.P,
  qi: RowKind.Q,
  pf: RowKind.FromP,
  qf: RowKind.FromQ,
  pt: RowKind.ToP,
  qt: RowKind.ToQ,
};

export function readMeasurements(text: string, file: string, grid: Grid, trustOf: (row: number) => number = () => 1) {
  const rows: Row[] = [];
  const faults: Fault[] = [];
  text.split(/\r?\n/).forEach((line, index) => {
    if (line === '' || line.startsWith('#') || line.startsWith('row\t')) return;
    const [number = '', type = '', bus = '', branch = '', , , value = '', sigma = ''] = line.split('\t');
    const kind = Object.hasOwn(kinds, type) ? kinds[type] : undefined;
    const nodal = kind === RowKind.V || kind === RowKind.P || kind === RowKind.Q;
    const element = nodal ? grid.busIndex.get(Number(bus)) : Number(branch) - 1;
    const good =
      kind !== undefined &&
      element !== undefined &&
      (nodal || (Number.isInteger(element) && element >= 0 && element < grid.branchCount)) &&
      value !== '' &&
      Number.isFinite(Number(value)) &&
      Number(sigma) > 0;
    if (!good) {
      faults.push({
        kind: 'fault',
        code: 'MEASUREMENT_LINE',
        file,
        line: index + 1,
        text: `this line is no measurement of the grid: ${JSON.stringify(line.slice(0, 80))}`,
        remedy: 'Give row, type, bus or branch row, value and a sigma above zero, separated by tabs.',
        lost: 'one measurement',
      });
      return;
    }
    rows.push(
      makeRow(kind, element, Number(value), Number(sigma), trustOf(Number(number)), `row ${number}`, [`row-${number}`]),
    );
  });
  return { rows, faults };
}
