// Walks the characters of a MATPOWER case: blanks, continuations, comments, names; and stops with the line's number.

/** Why reading stopped; caught at the reader's door. */
export class Stop extends Error {
  readonly code: string;
  readonly line: number;
  constructor(code: string, line: number, text: string) {
    super(text);
    this.code = code;
    this.line = line;
  }
}

export class Scanner {
  readonly text: string;
  at = 0;
  /** Line that `#lineAt` lies on; kept so that counting stays linear. */
  #line = 1;
  #lineAt = 0;

  constructor(text: string) {
    this.text = text;
  }

  get line(): number {
    while (this.#lineAt < this.at) {
      if (this.text.charCodeAt(this.#lineAt) === 10) this.#line += 1;
      this.#lineAt += 1;
    }
    return this.#line;
  }

  stop(code: string, text: string): never {
    throw new Stop(code, this.line, text);
  }

  peekWord(): string {
    let i = this.at;
    while (isWord(this.text.charCodeAt(i))) i += 1;
    return this.text.slice(this.at, i);
  }
  word(): string {
    this.skipSpace(false);
    if (this.text[this.at] === '~') {
      this.at += 1;
      return '~';
    }
    const word = this.peekWord();
    if (word === '')
      this.stop('MATPOWER_SYNTAX', `a name was expected, found ${JSON.stringify(this.text[this.at] ?? 'the end')}`);
    this.at += word.length;
    return word;
  }
  /** A name with its struct fields, `mpc.bus`. */
  name(): string {
    let name = this.peekWord();
    this.at += name.length;
    while (name !== '' && this.text[this.at] === '.' && isWord(this.text.charCodeAt(this.at + 1))) {
      this.at += 1;
      const field = this.peekWord();
      this.at += field.length;
      name += `.${field}`;
    }
    return name;
  }
  expect(c: string): void {
    this.skipSpace(false);
    if (this.text[this.at] !== c)
      this.stop('MATPOWER_SYNTAX', `"${c}" was expected, found ${JSON.stringify(this.text[this.at] ?? 'the end')}`);
    this.at += 1;
    if (c !== ')') this.skipSpace(false);
  }
  endStatement(): void {
    this.skipSpace(false);
    const c = this.text[this.at];
    if (c === undefined || c === ';' || c === ',' || c === '\n' || c === '\r') {
      if (c !== undefined) this.at += 1;
    } else if (c === '%') this.at = this.lineEnd();
    else this.stop('MATPOWER_STATEMENT', `${JSON.stringify(c)} is not understood here`);
  }
  lineEnd(): number {
    const end = this.text.indexOf('\n', this.at);
    return end < 0 ? this.text.length : end;
  }
  /** Blanks and continuations; line ends too where `lines`. */
  skipSpace(lines: boolean): void {
    for (;;) {
      const c = this.text.charCodeAt(this.at);
      if (c === 32 || c === 9 || c === 13) this.at += 1;
      else if (c === 46 && this.text.startsWith('...', this.at))
        this.at = Math.min(this.lineEnd() + 1, this.text.length);
      else if (lines && c === 10) this.at += 1;
      else return;
    }
  }
  /** Everything between statements: blanks, line ends, separators, comments and block comments. */
  skipBlank(): void {
    for (;;) {
      this.skipSpace(true);
      const c = this.text[this.at];
      if (c === ';' || c === ',') this.at += 1;
      else if (c === '%' || c === '#') {
        const line = this.text.slice(this.at, this.lineEnd()).trim();
        if (line === '%{') {
          const close = /^[ \t]*%\}[ \t\r]*$/m.exec(this.text.slice(this.at));
          this.at = close === null ? this.text.length : this.at + close.index + close[0].length;
        } else this.at = this.lineEnd();
      } else if (c === '\ufeff') this.at += 1;
      else return;
    }
  }
}

export function isWord(c: number): boolean {
  return (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122) || c === 95;
}
