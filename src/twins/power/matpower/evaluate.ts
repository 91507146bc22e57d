// Reads the part of the MATLAB language that MATPOWER cases use, without ever running it: assignments, matrix and cell
// literals, numbers, Inf, NaN, + - * / ^ and their elementwise forms, a few functions, and whole-column assignments such
// as `mpc.bus(:, [PD QD]) = mpc.bus(:, [PD QD]) / 1e3` that convert units. Anything else stops with the line's number.
import { constants } from './constants.ts';
import { Scanner } from './scan.ts';

export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  /** By row. */
  readonly data: Float64Array;
}
export interface Cell {
  readonly strings: readonly string[];
}
export type Value = number | string | Matrix | Cell;

/** Nested parentheses and chained signs a case may have; a hostile file must not exhaust the stack. */
const depthMax = 50;
/** Values a file may hold. */
const valuesMax = 20_000_000;

const functions: Readonly<Record<string, (x: number) => number>> = {
  sqrt: Math.sqrt,
  abs: Math.abs,
  exp: Math.exp,
  log: Math.log,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
};

export class Evaluator extends Scanner {
  #depth = 0;
  readonly values = new Map<string, Value>();
  /** Line of the first assignment to each name. */
  readonly lines = new Map<string, number>();
  /** Names bound by the function line: the struct the case returns. */
  struct = 'mpc';

  run(): void {
    for (;;) {
      this.skipBlank();
      if (this.at >= this.text.length) return;
      const word = this.peekWord();
      if (word === 'function') this.#functionLine();
      else if (word === 'return' || word === 'end') {
        this.at += word.length;
        this.endStatement();
      } else if (this.text[this.at] === '[') this.#constantNames();
      else this.#assignment(word);
    }
  }

  #functionLine(): void {
    const end = this.lineEnd();
    const text = this.text.slice(this.at, end).replace(/%.*/, '');
    const match = /^function\s+(\w+)\s*=\s*\w+\s*(\(\s*\))?\s*;?\s*$/.exec(text);
    if (match === null) {
      if (/^function\s+\[/.test(text))
        this.stop('MATPOWER_VERSION', 'the function returns a list of tables: this is format version 1');
      this.stop('MATPOWER_STATEMENT', 'the function line does not return one struct');
    }
    this.struct = match[1]!;
    this.at = end;
  }

  /** `[PQ, PV, ...] = idx_bus;` binds names to column numbers that MATPOWER fixes. */
  #constantNames(): void {
    this.at += 1;
    const names: string[] = [];
    for (;;) {
      this.skipSpace(true);
      if (this.text[this.at] === ',') this.at += 1;
      else if (this.text[this.at] === ']') break;
      else names.push(this.word());
    }
    this.at += 1;
    this.expect('=');
    const source = this.word();
    const table = constants[source];
    if (table === undefined) this.stop('MATPOWER_STATEMENT', `a list of names is assigned from ${source}`);
    // MATPOWER's idx_ functions return their names in a fixed order; a name out of place would mean another column.
    const order = Object.keys(table);
    names.forEach((name, i) => {
      if (name !== '~' && order[i] !== name)
        this.stop('MATPOWER_STATEMENT', `${name} is not result ${i + 1} of ${source}`);
      this.values.set(name, table[name]!);
    });
    this.endStatement();
  }

  #assignment(word: string): void {
    if (word === '') this.stop('MATPOWER_SYNTAX', `unexpected ${JSON.stringify(this.text[this.at])}`);
    if (word === 'define_constants') {
      this.at += word.length;
      for (const table of Object.values(constants)) for (const [k, v] of Object.entries(table)) this.values.set(k, v);
      this.endStatement();
      return;
    }
    const line = this.line;
    const name = this.name();
    this.skipSpace(false);
    if (this.text[this.at] === '(') {
      this.#columnAssignment(name);
    } else if (this.text[this.at] === '=' && this.text[this.at + 1] !== '=') {
      this.at += 1;
      this.skipSpace(false);
      if (!this.lines.has(name)) this.lines.set(name, line);
      this.values.set(name, this.#expression(false));
    } else this.stop('MATPOWER_STATEMENT', `"${name}" starts a statement that is not an assignment`);
    this.endStatement();
  }

  /** `name(:, columns) = value`, the rows all or one. */
  #columnAssignment(name: string): void {
    const target = this.values.get(name);
    if (!isMatrix(target)) this.stop('MATPOWER_STATEMENT', `${name} is no table`);
    const { rows, columns } = this.#indices(target);
    this.expect('=');
    this.skipSpace(false);
    const value = this.#expression(false);
    const data = target.data.slice();
    for (let r = 0; r < rows.length; r++)
      for (let c = 0; c < columns.length; c++) {
        let v: number;
        if (typeof value === 'number') v = value;
        else if (isMatrix(value) && value.rows === rows.length && value.columns === columns.length)
          v = value.data[r * value.columns + c]!;
        else this.stop('MATPOWER_STATEMENT', 'the two sides differ in size');
        data[rows[r]! * target.columns + columns[c]!] = v;
      }
    this.values.set(name, { ...target, data });
  }

  #indices(target: Matrix): { rows: number[]; columns: number[] } {
    this.expect('(');
    const rows = this.#index(target.rows);
    this.expect(',');
    const columns = this.#index(target.columns);
    this.expect(')');
    return { rows, columns };
  }

  #index(limit: number): number[] {
    this.skipSpace(false);
    if (this.text[this.at] === ':') {
      this.at += 1;
      return Array.from({ length: limit }, (_, i) => i);
    }
    const value = this.#expression(false);
    const list = typeof value === 'number' ? [value] : isMatrix(value) ? Array.from(value.data) : [];
    for (const i of list)
      if (!Number.isInteger(i) || i < 1 || i > limit)
        this.stop('MATPOWER_STATEMENT', `index ${i} is outside 1..${limit}`);
    return list.map((i) => i - 1);
  }

  // Precedence as in MATLAB: + - below * / below unary sign below ^.
  #expression(inMatrix: boolean): Value {
    this.#deeper();
    let left = this.#product(inMatrix);
    for (;;) {
      const operator = this.#operator(inMatrix, '+-');
      if (operator === '') break;
      left = this.#combine(operator, left, this.#product(inMatrix));
    }
    this.#depth -= 1;
    return left;
  }
  #product(inMatrix: boolean): Value {
    let left = this.#signed(inMatrix);
    for (;;) {
      const operator = this.#operator(inMatrix, '*/');
      if (operator === '') return left;
      left = this.#combine(operator, left, this.#signed(inMatrix));
    }
  }
  #signed(inMatrix: boolean): Value {
    const c = this.text[this.at];
    if (c !== '-' && c !== '+') return this.#power(inMatrix);
    this.#deeper();
    this.at += 1;
    this.skipSpace(false);
    const value = this.#signed(inMatrix);
    this.#depth -= 1;
    return c === '-' ? this.#combine('*', -1, value) : value;
  }
  #power(inMatrix: boolean): Value {
    const base = this.#primary();
    if (this.#operator(inMatrix, '^') === '') return base;
    return this.#combine('^', base, this.#signed(inMatrix));
  }
  #deeper(): void {
    if (++this.#depth > depthMax) this.stop('MATPOWER_SYNTAX', `more than ${depthMax} levels of nesting`);
  }

  /** Takes a binary operator out of `among`, with its elementwise dot; inside a matrix a blank before a sign ends the entry. */
  #operator(inMatrix: boolean, among: string): string {
    const before = this.at;
    this.skipSpace(false);
    let c = this.text[this.at] ?? '';
    let length = 1;
    if (c === '.' && '*/^'.includes(this.text[this.at + 1] ?? ' ')) {
      c = this.text[this.at + 1]!;
      length = 2;
    }
    const blankBefore = this.at > before;
    const next = this.text[this.at + length] ?? ' ';
    const blankAfter = next === ' ' || next === '\t';
    if (c === '' || !among.includes(c) || (inMatrix && blankBefore && (c === '+' || c === '-') && !blankAfter)) {
      this.at = before;
      return '';
    }
    this.at += length;
    this.skipSpace(false);
    return c;
  }

  #combine(operator: string, a: Value, b: Value): Value {
    const f = (x: number, y: number): number =>
      operator === '+'
        ? x + y
        : operator === '-'
          ? x - y
          : operator === '*'
            ? x * y
            : operator === '/'
              ? x / y
              : x ** y;
    if (typeof a === 'number' && typeof b === 'number') return f(a, b);
    if (isMatrix(a) && typeof b === 'number') return { ...a, data: a.data.map((x) => f(x, b)) };
    if (typeof a === 'number' && isMatrix(b)) return { ...b, data: b.data.map((y) => f(a, y)) };
    // Sums only: a product of two tables would be a matrix product.
    if (isMatrix(a) && isMatrix(b) && a.rows === b.rows && a.columns === b.columns && '+-'.includes(operator))
      return { ...a, data: a.data.map((x, i) => f(x, b.data[i]!)) };
    this.stop('MATPOWER_STATEMENT', `operator ${operator} between these two values is not understood`);
  }

  #primary(): Value {
    const c = this.text.charCodeAt(this.at);
    if ((c >= 48 && c <= 57) || c === 46) return this.#number();
    if (c === 40) {
      this.at += 1;
      this.skipSpace(false);
      const value = this.#expression(false);
      this.expect(')');
      return value;
    }
    if (c === 91) return this.#matrix();
    if (c === 123) return this.#cell();
    if (c === 39 || c === 34) return this.#string();
    const name = this.name();
    if (name === '')
      this.stop('MATPOWER_SYNTAX', `a value was expected, found ${JSON.stringify(this.text[this.at] ?? 'the end')}`);
    if (name === 'Inf' || name === 'inf') return Number.POSITIVE_INFINITY;
    if (name === 'NaN' || name === 'nan') return Number.NaN;
    if (name === 'pi') return Math.PI;
    const call = Object.hasOwn(functions, name) ? functions[name] : undefined;
    if (call !== undefined && this.text[this.at] === '(') {
      this.at += 1;
      this.skipSpace(false);
      const value = this.#expression(false);
      this.expect(')');
      if (typeof value === 'number') return call(value);
      if (isMatrix(value)) return { ...value, data: value.data.map(call) };
    }
    const value = this.values.get(name);
    if (value === undefined) this.stop('MATPOWER_STATEMENT', `${name} is not known here`);
    if (this.text[this.at] !== '(') return value;
    if (!isMatrix(value)) this.stop('MATPOWER_STATEMENT', `${name} is no table`);
    const { rows, columns } = this.#indices(value);
    if (rows.length === 1 && columns.length === 1) return value.data[rows[0]! * value.columns + columns[0]!]!;
    const data = new Float64Array(rows.length * columns.length);
    rows.forEach((r, i) => {
      columns.forEach((k, j) => {
        data[i * columns.length + j] = value.data[r * value.columns + k]!;
      });
    });
    return { rows: rows.length, columns: columns.length, data };
  }

  #number(): number {
    let i = this.at;
    const digits = (): void => {
      while (this.text.charCodeAt(i) >= 48 && this.text.charCodeAt(i) <= 57) i += 1;
    };
    digits();
    const dot = this.text.charCodeAt(i + 1);
    // `2./x` divides: the dot belongs to the operator.
    if (this.text[i] === '.' && dot !== 42 && dot !== 47 && dot !== 94) {
      i += 1;
      digits();
    }
    if (this.text[i] === 'e' || this.text[i] === 'E' || this.text[i] === 'd' || this.text[i] === 'D') {
      const sign = this.text[i + 1] === '+' || this.text[i + 1] === '-' ? 2 : 1;
      const c = this.text.charCodeAt(i + sign);
      if (c >= 48 && c <= 57) {
        i += sign;
        digits();
      }
    }
    const value = Number(this.text.slice(this.at, i).replace(/[dD]/, 'e'));
    if (Number.isNaN(value))
      this.stop('MATPOWER_SYNTAX', `${JSON.stringify(this.text.slice(this.at, i))} is no number`);
    this.at = i;
    return value;
  }

  #matrix(): Matrix {
    this.#deeper();
    this.at += 1;
    const data: number[] = [];
    let columns = -1;
    let rows = 0;
    let inRow = 0;
    const endRow = (): void => {
      if (inRow === 0) return;
      if (columns < 0) columns = inRow;
      if (inRow !== columns) this.stop('MATPOWER_TABLE', `this row has ${inRow} values, the first has ${columns}`);
      rows += 1;
      inRow = 0;
    };
    for (;;) {
      this.skipSpace(false);
      const c = this.text[this.at];
      if (c === undefined) this.stop('MATPOWER_SYNTAX', 'a table is not closed');
      if (c === ']') break;
      if (c === ';' || c === '\n' || c === '\r' || c === '%') {
        endRow();
        if (c === '%') this.at = this.lineEnd();
        else this.at += 1;
      } else if (c === ',') this.at += 1;
      else {
        const value = this.#expression(true);
        if (typeof value !== 'number') this.stop('MATPOWER_TABLE', 'a table holds something that is no number');
        data.push(value);
        inRow += 1;
        if (data.length > valuesMax) this.stop('MATPOWER_TABLE', `more than ${valuesMax} values`);
      }
    }
    endRow();
    this.at += 1;
    this.#depth -= 1;
    return { rows, columns: Math.max(columns, 0), data: Float64Array.from(data) };
  }

  #cell(): Cell {
    this.at += 1;
    const strings: string[] = [];
    for (;;) {
      this.skipSpace(false);
      const c = this.text[this.at];
      if (c === undefined) this.stop('MATPOWER_SYNTAX', 'a cell array is not closed');
      if (c === '}') break;
      if (c === ';' || c === ',' || c === '\n' || c === '\r') this.at += 1;
      else if (c === '%') this.at = this.lineEnd();
      else if (c === "'" || c === '"') strings.push(this.#string());
      else strings.push(String(this.#expression(true)));
    }
    this.at += 1;
    return { strings };
  }

  #string(): string {
    const quote = this.text[this.at]!;
    let out = '';
    for (let i = this.at + 1; i < this.text.length; i++) {
      const c = this.text[i]!;
      if (c === '\n') break;
      if (c !== quote) out += c;
      else if (this.text[i + 1] === quote) {
        out += quote;
        i += 1;
      } else {
        this.at = i + 1;
        return out;
      }
    }
    this.stop('MATPOWER_SYNTAX', 'a string is not closed on its line');
  }
}

export function isMatrix(value: Value | undefined): value is Matrix {
  return typeof value === 'object' && 'data' in value;
}
