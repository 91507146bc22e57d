// The one place where nft and conntrack are run. Both are given text we made ourselves, on standard input or as single
// arguments, with a time limit; what they say back is data.
import { spawnSync } from 'node:child_process';
import { timedSets, wallChains } from './ruleset.ts';

export interface Commands {
  /** Program and first arguments; `nft` unless told (a namespace's in tests). */
  readonly nft: readonly string[];
  readonly conntrack: readonly string[];
}

const RUN_MS = 5_000;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

export interface Ran {
  readonly ok: boolean;
  readonly out: string;
  /** First line of the complaint. */
  readonly why: string;
}

export class Kernel {
  readonly #commands: Commands;
  constructor(commands: Commands) {
    this.#commands = commands;
  }

  /** One transaction. */
  apply(lines: readonly string[]): Ran {
    return run(this.#commands.nft, ['-f', '-'], `${lines.join('\n')}\n`);
  }
  /** Asks whether the kernel would take it, and changes nothing. */
  check(text: string): Ran {
    return run(this.#commands.nft, ['-c', '-f', '-'], text);
  }

  /** What stands; undefined where the table does not, a sentence where it can't be asked. */
  read(table: string): Standing | undefined | string {
    const ran = run(this.#commands.nft, ['-j', '-n', 'list', 'table', 'inet', table], '');
    if (ran.ok) return standing(ran.out);
    return /No such file or directory/.test(ran.why) ? undefined : ran.why;
  }

  /**
   * Takes an address out of the connection table, so that offloaded and helper connections end too. The rules hold without it.
   * @returns whether the tool is there
   */
  forget(address: string): boolean {
    for (const side of ['-s', '-d']) {
      const ran = run(this.#commands.conntrack, ['-D', side, address], '');
      if (!ran.ok && /ENOENT|No such file/.test(ran.why)) return false;
    }
    return true;
  }
}

function run(command: readonly string[], args: readonly string[], input: string): Ran {
  const [program = '', ...first] = command;
  const ran = spawnSync(program, [...first, ...args], {
    input,
    encoding: 'utf8',
    timeout: RUN_MS,
    maxBuffer: OUTPUT_BYTES_MAX,
    env: { ...process.env, LC_ALL: 'C' },
  });
  const why = ran.error === undefined ? (ran.stderr ?? '').trim().split('\n')[0]! : ran.error.message;
  return { ok: ran.error === undefined && ran.status === 0, out: ran.stdout ?? '', why: why.slice(0, 300) };
}

export interface Member {
  readonly text: string;
  readonly timeoutSeconds: number;
  readonly expiresSeconds: number;
}
export interface Standing {
  /** Members by set. */
  readonly members: ReadonlyMap<string, ReadonlyMap<string, Member>>;
  /** Sets that have the timeout flag. */
  readonly timed: ReadonlySet<string>;
  readonly remediation: ReadonlySet<string>;
  /** Comments of each chain's rules, in order; only of chains on their hook. */
  readonly rules: ReadonlyMap<string, readonly string[]>;
  /** Packets that rules with this comment have met. */
  readonly packets: ReadonlyMap<string, number>;
}

interface NftObject {
  readonly set?: { name?: string; flags?: string | string[]; elem?: unknown[] };
  readonly chain?: { name?: string; hook?: string };
  readonly rule?: { chain?: string; comment?: string; expr?: { counter?: { packets?: number } }[] };
}

export function standing(json: string): Standing | string {
  let objects: NftObject[];
  try {
    const list = (JSON.parse(json) as { nftables?: unknown }).nftables;
    objects = Array.isArray(list) ? (list as NftObject[]).filter((o) => typeof o === 'object' && o !== null) : [];
  } catch {
    return 'nft answered with what is no JSON';
  }
  const members = new Map<string, ReadonlyMap<string, Member>>();
  const timed = new Set<string>();
  const remediation = new Set<string>();
  const rules = new Map<string, string[]>();
  const packets = new Map<string, number>();
  for (const { set, chain, rule } of objects) {
    if (set?.name !== undefined) {
      if ([set.flags ?? []].flat().includes('timeout')) timed.add(set.name);
      const list = (set.elem ?? []).map(member);
      if (set.name.startsWith('remediation')) for (const m of list) remediation.add(m.text);
      else if (timedSets.some((s) => s === set.name)) members.set(set.name, new Map(list.map((m) => [m.text, m])));
    }
    if (chain?.name !== undefined && chain.hook !== undefined && wallChains.includes(chain.name))
      rules.set(chain.name, rules.get(chain.name) ?? []);
    if (rule?.chain !== undefined && rule.comment !== undefined) {
      rules.get(rule.chain)?.push(rule.comment);
      const met = (rule.expr ?? []).reduce((n, e) => n + (e.counter?.packets ?? 0), 0);
      packets.set(rule.comment, (packets.get(rule.comment) ?? 0) + met);
    }
  }
  return { members, timed, remediation, rules, packets };
}

/** `"10.0.0.1"`, `{concat: [..]}`, or either in `{elem: {val, timeout, expires}}`. */
function member(value: unknown): Member {
  const e = (value as { elem?: { val?: unknown; timeout?: number; expires?: number } } | null)?.elem;
  const inner = e === undefined ? value : e.val;
  const concat = (inner as { concat?: unknown[] } | null)?.concat;
  return {
    text: Array.isArray(concat) ? concat.join(' . ') : String(inner),
    timeoutSeconds: e?.timeout ?? 0,
    expiresSeconds: e?.expires ?? 0,
  };
}
