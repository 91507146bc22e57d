// One line of a Zeek log, TSV or JSON, behind the same questions.

/** A row lent until the next line is read. */
export interface ZeekRow {
  /** Text of a scalar field; '' where it is unset, empty or not there. */
  text(field: string): string;
  /** Members of a set or vector; none where it is unset or empty. */
  list(field: string): readonly string[];
}

/** What a log says of itself in its header lines (Zeek's ASCII writer). */
export class TsvFormat {
  separator = '\t';
  setSeparator = ',';
  empty = '(empty)';
  unset = '-';
  path = '';
  readonly columns = new Map<string, number>();

  /** Takes a `#` line. */
  header(line: string): void {
    const space = line.search(/[\s]/);
    const word = space < 0 ? line : line.slice(0, space);
    const rest = space < 0 ? '' : line.slice(space + 1);
    // The separator itself is written after a blank, all else after the separator.
    if (word === '#separator') this.separator = unescapeHex(rest.trim()) || '\t';
    const [name = '', ...values] = line.split(this.separator);
    const value = values[0] ?? '';
    if (name === '#set_separator') this.setSeparator = unescapeHex(value) || ',';
    else if (name === '#empty_field') this.empty = value;
    else if (name === '#unset_field') this.unset = value;
    else if (name === '#path') this.path = value;
    else if (name === '#fields') {
      this.columns.clear();
      for (const [i, column] of values.entries()) this.columns.set(column, i);
    }
  }
}

function unescapeHex(text: string): string {
  return text.replace(/\\x([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

export class TsvRow implements ZeekRow {
  readonly #format: TsvFormat;
  #cells: string[] = [];

  constructor(format: TsvFormat) {
    this.#format = format;
  }

  /** @returns false where the line has not as many cells as the header has fields */
  read(line: string): boolean {
    this.#cells = line.split(this.#format.separator);
    // Tools that label logs join their columns with blanks to the last cell, so more is taken as well.
    return this.#cells.length >= this.#format.columns.size;
  }

  text(field: string): string {
    const index = this.#format.columns.get(field);
    const cell = index === undefined ? '' : (this.#cells[index] ?? '');
    return cell === this.#format.unset || cell === this.#format.empty ? '' : cell;
  }

  list(field: string): readonly string[] {
    const cell = this.text(field);
    return cell === '' ? [] : cell.split(this.#format.setSeparator).map((c) => unescapeHex(c));
  }
}

export class JsonRow implements ZeekRow {
  #object: Record<string, unknown> = {};

  /** @returns false where the line is no JSON object */
  read(line: string): boolean {
    try {
      const value: unknown = JSON.parse(line);
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
      this.#object = value as Record<string, unknown>;
      return true;
    } catch {
      return false;
    }
  }

  has(field: string): boolean {
    return Object.hasOwn(this.#object, field);
  }

  text(field: string): string {
    const value = Object.hasOwn(this.#object, field) ? this.#object[field] : undefined;
    if (typeof value === 'string') return value;
    return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
  }

  list(field: string): readonly string[] {
    const value = Object.hasOwn(this.#object, field) ? this.#object[field] : undefined;
    return Array.isArray(value) ? value.map((v) => String(v)) : [];
  }
}
