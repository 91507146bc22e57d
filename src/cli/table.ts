// Rows of cells as a table for a terminal or a ticket.
import { printable } from './options.ts';

const CELL_MAX = 100;

/** @param isNumber by column: numbers stand right */
export function tableText(
  columns: readonly string[],
  rows: readonly (readonly string[])[],
  isNumber: readonly boolean[],
): string {
  const head = columns.map(printable);
  const cells = rows.map((row) => row.map((cell) => cut(printable(cell.replaceAll(/[\n\t]/g, ' ')))));
  const widths = head.map((name, i) => cells.reduce((most, row) => Math.max(most, row[i]!.length), name.length));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (isNumber[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  return `${[line(head), widths.map((w) => '-'.repeat(w)).join('  '), ...cells.map(line)].join('\n')}\n`;
}

function cut(text: string): string {
  return text.length <= CELL_MAX ? text : `${text.slice(0, CELL_MAX - 1)}…`;
}
