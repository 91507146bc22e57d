// Network namespaces of one test and what runs in them: made, joined by veth pairs, and taken away with every process in them.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

export function run(...words: string[]): string {
  return execFileSync(words[0]!, words.slice(1), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Why namespaces can't be used here; '' where they can. */
export function noNamespaces(): string {
  if (process.getuid?.() !== 0) return 'namespaces need root';
  const probe = `pn${process.pid}`;
  try {
    run('ip', 'netns', 'add', probe);
    run('ip', 'netns', 'del', probe);
    return '';
  } catch {
    return 'this machine makes no network namespaces';
  }
}

export class Namespaces {
  readonly #tag: string;
  readonly #spaces: string[] = [];
  readonly #logs = new Map<string, string>();

  /** @param tag keeps namespaces of tests apart; at most six letters */
  constructor(tag: string) {
    this.#tag = `${tag}${process.pid % 10_000}`;
  }

  /** The machine's name for a namespace of this test. */
  name(space: string): string {
    return `${this.#tag}${space}`;
  }

  add(...spaces: string[]): void {
    for (const space of spaces) {
      run('ip', 'netns', 'add', this.name(space));
      this.#spaces.push(space);
      this.ip(space, 'link', 'set', 'lo', 'up');
    }
  }

  /** Joins two namespaces by a pair of devices, both up. */
  join([a, left]: readonly [string, string], [b, right]: readonly [string, string]): void {
    run('ip', 'link', 'add', left, 'netns', this.name(a), 'type', 'veth', 'peer', 'name', right, 'netns', this.name(b));
    this.ip(a, 'link', 'set', left, 'up');
    this.ip(b, 'link', 'set', right, 'up');
  }

  /** `ip` with its words, in a namespace. */
  ip(space: string, ...words: string[]): void {
    run('ip', '-n', this.name(space), ...words);
  }

  inside(space: string, ...words: string[]): string {
    return run('ip', 'netns', 'exec', this.name(space), ...words);
  }

  /** Starts a program whose last words are kept under `label`. */
  spawn(label: string, space: string, ...words: string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name(space), ...words], { stdio: ['pipe', 'pipe', 'pipe'] });
    const keep = (chunk: Buffer): void =>
      void this.#logs.set(label, (this.log(label) + chunk.toString('utf8')).slice(-20_000));
    child.stdout!.on('data', keep);
    child.stderr!.on('data', keep);
    child.stdin!.on('error', () => {});
    return child;
  }

  log(label: string): string {
    return this.#logs.get(label) ?? '';
  }

  /** What all programs said last, for the message of a test that fails. */
  get said(): string {
    return [...this.#logs].map(([label, text]) => `--- ${label}\n${text.slice(-2000)}`).join('\n');
  }

  /** Ends processes of a namespace: all, or those of a program. */
  end(space: string, program?: string): void {
    for (const pid of run('ip', 'netns', 'pids', this.name(space)).split(/\s+/)) {
      if (pid === '') continue;
      try {
        if (program !== undefined && readFileSync(`/proc/${pid}/comm`, 'utf8').trim() !== program) continue;
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
  }

  /** Ends every process in the namespaces and takes these away. */
  close(): void {
    for (const space of this.#spaces) {
      this.end(space);
      run('ip', 'netns', 'del', this.name(space));
    }
    this.#spaces.length = 0;
  }
}
