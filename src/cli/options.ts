// What all verbs share: options, exit codes, where colour goes.
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { type City, loadCity } from '#city';

export const ExitCode = { Done: 0, FoundSomething: 1, WrongUse: 2, PartUnread: 3, OurFault: 70 } as const;

/** Wrong use of the command line: a sentence, exit status 2. */
export class UsageError extends Error {}

type Options = NonNullable<ParseArgsConfig['options']>;

const common = {
  help: { type: 'boolean', short: 'h' },
  format: { type: 'string' },
  city: { type: 'string' },
  quiet: { type: 'boolean', short: 'q' },
  'no-color': { type: 'boolean' },
} as const satisfies Options;

export interface Common {
  readonly values: Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;
  readonly positionals: readonly string[];
  readonly format: string;
  readonly quiet: boolean;
  readonly help: boolean;
}

/**
 * Parses a verb's arguments.
 * @param formats the first is the default on a terminal, the second in a pipe
 * @throws UsageError
 */
export function options(args: string[], own: Options, formats: readonly [string, string, ...string[]]): Common {
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args, options: { ...common, ...own }, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const values = parsed.values as Common['values'];
  const format = (values.format as string | undefined) ?? (process.stdout.isTTY ? formats[0] : formats[1]);
  if (!formats.includes(format))
    throw new UsageError(`--format ${format} is not known here; it takes ${formats.join(', ')}.`);
  return { values, positionals: parsed.positionals, format, quiet: values.quiet === true, help: values.help === true };
}

export function cityOf(values: Common['values']): City {
  return loadCity(values.city as string | undefined);
}

/** Wraps text in an ANSI style where standard output is a terminal and nobody said no. */
export function painter(values: Common['values']): (style: Style, text: string) => string {
  const on = process.stdout.isTTY === true && values['no-color'] !== true && (process.env.NO_COLOR ?? '') === '';
  return (style, text) => (on ? `\u001b[${codes[style]}m${text}\u001b[0m` : text);
}

/** No style: for standard error, and where nobody looks. */
export const plain = (_: Style, text: string): string => text;

export type Style = 'strong' | 'quiet' | 'bad' | 'warn' | 'good';
const codes: Readonly<Record<Style, string>> = { strong: '1', quiet: '2', bad: '1;31', warn: '33', good: '32' };

/** Terminal-safe text: control characters of untrusted input become visible escapes. */
export function printable(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

/** Writes and waits where the pipe is full. */
export async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await new Promise<void>((resolve) => process.stdout.once('drain', () => resolve()));
}
