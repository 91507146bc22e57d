// The pipe from the child. Node's own is a pair of sockets, in which each packet written alone takes as much room as a large
// one: under two hundred fit, so that child and reader wait for each other all the time. A named pipe packs them, and Linux
// lets it grow to a mebibyte (fcntl(2), F_SETPIPE_SZ). Node has no call for that; perl has, and then becomes the child.
import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

/** F_SETPIPE_SZ is 1031; 1 MiB is what fs.pipe-max-size lets every user ask for. Exits as a shell does where there is no such program. */
const WIDEN = 'fcntl(STDOUT, 1031, 1048576); exec {$ARGV[0]} @ARGV; exit($! == 13 ? 126 : 127);';

export const NOT_EXECUTABLE = 126;
export const NOT_FOUND = 127;

export interface WidePipe {
  readonly out: Readable;
  /** Descriptor for the child's standard output; to be closed here once the child has it. */
  readonly childEnd: number;
  /** The program's words with those before them that widen the pipe. */
  words(program: readonly string[]): readonly string[];
}

/** A named pipe that no longer has a name, or undefined where mkfifo or perl is missing. */
export function widePipe(): WidePipe | undefined {
  if (spawnSync('perl', ['-e', '1']).status !== 0) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'parapet-pipe-'));
  try {
    const path = join(folder, 'pipe');
    if (spawnSync('mkfifo', ['-m', '600', path]).status !== 0) return undefined;
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const childEnd = openSync(path, constants.O_WRONLY);
      const out = new Socket({ fd, readable: true, writable: false });
      return { out, childEnd, words: (program) => ['perl', '-e', WIDEN, ...program] };
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
