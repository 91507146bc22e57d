// The zone as a file for resolvers that read files (Knot Resolver). Written beside and renamed, so that no reader ever sees half.
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** @returns what went wrong in one sentence, or undefined */
export function writeZoneFile(path: string, text: string): string | undefined {
  const beside = join(dirname(path), `.${basename(path)}.new`);
  try {
    const fd = openSync(beside, 'w', 0o644);
    try {
      writeSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(beside, path);
    return undefined;
  } catch (error) {
    rmSync(beside, { force: true });
    return `${path} could not be written (${(error as NodeJS.ErrnoException).code})`;
  }
}
