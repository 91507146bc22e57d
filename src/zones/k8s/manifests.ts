// YAML or JSON files to Kubernetes objects, Lists unfolded. What can't be read is a fault, and the rest goes on.
import { LineCounter, parseAllDocuments } from 'yaml';
import type { K8sFaults } from './faults.ts';
import { list, object, type Plain, text } from './plain.ts';

export interface ManifestFile {
  readonly file: string;
  readonly text: string;
}
export interface Manifest {
  readonly file: string;
  readonly kind: string;
  readonly body: Plain;
}

/** Characters of one file. */
export const FILE_CHARACTERS_MAX = 16 * 1024 * 1024;
/** Objects of all files. */
export const OBJECTS_MAX = 50_000;
/** Brackets and indents within one another; the parser recurses. */
const DEPTH_MAX = 200;

export function readManifests(files: readonly ManifestFile[], faults: K8sFaults): Manifest[] {
  const out: Manifest[] = [];
  for (const { file, text: source } of files) {
    if (source.length > FILE_CHARACTERS_MAX || isTooDeep(source)) {
      faults.add(
        'K8S_TOO_LARGE',
        file,
        `A file has at most ${FILE_CHARACTERS_MAX} characters and ${DEPTH_MAX} levels.`,
      );
      continue;
    }
    for (const body of documents(file, source, faults)) unfold(file, body, out, faults, 0);
  }
  return out;
}

function documents(file: string, source: string, faults: K8sFaults): unknown[] {
  // The parser takes a CR before a document marker for a part of a quoted scalar; YAML 1.2, 5.4 makes CRLF one break.
  const plain = source.replaceAll('\r\n', '\n');
  const first = parseDocuments(plain);
  const folded = first.errors.length === 0 ? plain : foldQuoted(plain);
  const { bodies, errors } = folded === plain ? first : parseDocuments(folded);
  for (const e of errors) faults.add('K8S_YAML', file, e.text, e.line);
  return bodies;
}

interface Parsed {
  readonly bodies: unknown[];
  readonly errors: { text: string; line?: number }[];
}

function parseDocuments(source: string): Parsed {
  const lines = new LineCounter();
  const out: Parsed = { bodies: [], errors: [] };
  try {
    const parsed = parseAllDocuments(source, { lineCounter: lines, logLevel: 'silent', prettyErrors: false });
    for (const document of Array.isArray(parsed) ? parsed : []) {
      const error = document.errors[0];
      if (error !== undefined)
        out.errors.push({ text: error.message.split('\n')[0]!, line: lines.linePos(error.pos[0]).line });
      // Aliases that multiply (a "billion laughs") throw here.
      else out.bodies.push(document.toJS({ maxAliasCount: 100 }));
    }
  } catch (error) {
    out.errors.push({ text: (error as Error).message.split('\n')[0]! });
  }
  return out;
}

/**
 * A quoted scalar over several lines whose last is indented no deeper than its key: no YAML 1.2 (8.1, 7.3), but what kubectl
 * takes and people write (`config: '{` ... `}'`). Breaks in quotes are folded to spaces anyway.
 */
function foldQuoted(source: string): string {
  const out: string[] = [];
  let isOpen = false;
  for (const line of source.split('\n')) {
    if (isOpen) out[out.length - 1] += ` ${line.trim()}`;
    else out.push(line);
    const quotes = line.split("'").length - 1;
    if (isOpen) isOpen = quotes % 2 === 0;
    else isOpen = quotes % 2 === 1 && /^[\s-]*[\w."/-]+:\s+'/.test(line);
  }
  return out.join('\n');
}

function unfold(file: string, body: unknown, out: Manifest[], faults: K8sFaults, depth: number): void {
  const o = object(body);
  const kind = text(o.kind);
  if (kind === '') return;
  if (out.length >= OBJECTS_MAX) {
    faults.add('K8S_TOO_LARGE', file, `At most ${OBJECTS_MAX} objects.`);
    return;
  }
  if (kind.endsWith('List') && Array.isArray(o.items) && depth < 4)
    for (const item of list(o.items)) unfold(file, item, out, faults, depth + 1);
  else out.push({ file, kind, body: o });
}

function isTooDeep(source: string): boolean {
  let open = 0;
  let deepest = 0;
  for (let i = 0; i < source.length; i++) {
    const c = source.charCodeAt(i);
    if (c === 0x5b || c === 0x7b) deepest = Math.max(deepest, ++open);
    else if ((c === 0x5d || c === 0x7d) && open > 0) open--;
  }
  // Block style needs an indent a level, or "- - -" on one line.
  return deepest > DEPTH_MAX || /^(?: {400}|(?:[-?:] ){200})/m.test(source);
}
