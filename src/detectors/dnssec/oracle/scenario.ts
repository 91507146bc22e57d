// Reads Unbound's replay scenarios (testbound .rpl): the anchors, the clock, what each server answers and when, and what a
// validating resolver is to answer. Only for tests.
import { absolute, parseRecord, seconds, type TextRecord, typeNumber } from './records.ts';

export interface Entry {
  readonly match: ReadonlySet<string>;
  readonly copiesQuery: boolean;
  readonly flags: ReadonlySet<string>;
  readonly qname: string;
  readonly qtype: number;
  readonly sections: readonly [TextRecord[], TextRecord[], TextRecord[]];
}

export interface Range {
  readonly from: number;
  readonly to: number;
  readonly addresses: readonly string[];
  readonly entries: Entry[];
}

export interface Step {
  readonly at: number;
  readonly kind: string;
  readonly argument: string;
  readonly entry: Entry | undefined;
}

export interface Scenario {
  readonly anchors: string[];
  /** Negative anchors. */
  readonly insecure: string[];
  /** Seconds of the scenario's clock; NaN where it does not say. */
  readonly nowSeconds: number;
  /** Zone to the addresses of its servers, by stub or forward zones. */
  readonly entryPoints: ReadonlyMap<string, string[]>;
  /** Zones of `entryPoints` whose servers resolve themselves: what they say is final. */
  readonly forwarded: ReadonlySet<string>;
  readonly settings: ReadonlyMap<string, string>;
  readonly ranges: Range[];
  readonly steps: Step[];
}

export function readScenario(source: string): Scenario {
  const lines = source.split('\n').map((l) => l.trim());
  const settings = new Map<string, string>();
  const insecure: string[] = [];
  const anchors: string[] = [];
  const entryPoints = new Map<string, string[]>();
  const forwarded = new Set<string>();
  const ranges: Range[] = [];
  const steps: Step[] = [];
  let i = 0;
  let zone = '.';
  let isForward = false;
  for (; i < lines.length && lines[i] !== 'CONFIG_END'; i++) {
    const m = /^([a-z0-9-]+):\s*("[^"]*"|\S+)?/.exec(lines[i]!);
    if (m === null) continue;
    const value = (m[2] ?? '').replace(/"/g, '');
    if (m[1] === 'trust-anchor') anchors.push(value);
    else if (m[1] === 'name') zone = absolute(value);
    else if (m[1] === 'forward-zone') isForward = true;
    else if (m[1] === 'stub-zone') isForward = false;
    else if (m[1] === 'stub-addr' || m[1] === 'forward-addr')
      entryPoints.set(zone, [...(entryPoints.get(zone) ?? []), value]);
    else if (m[1] === 'domain-insecure') insecure.push(value);
    else settings.set(m[1]!, value);
    if (isForward && m[1] === 'name') forwarded.add(zone);
  }
  let range: Range | undefined;
  const entry = (): Entry => {
    const match = new Set<string>();
    const flags = new Set<string>();
    const sections: Entry['sections'] = [[], [], []];
    let copiesQuery = false;
    let qname = '.';
    let qtype = 1;
    let section = -1;
    for (i++; i < lines.length && lines[i] !== 'ENTRY_END'; i++) {
      const line = lines[i]!;
      const [word = '', ...rest] = line.split(/\s+/);
      if (line === '' || line.startsWith(';')) continue;
      if (word === 'MATCH') for (const r of rest) match.add(r);
      else if (word === 'REPLY') for (const r of rest) flags.add(r);
      else if (word === 'ADJUST') copiesQuery ||= rest.includes('copy_query');
      else if (word === 'SECTION') section = ['QUESTION', 'ANSWER', 'AUTHORITY', 'ADDITIONAL'].indexOf(rest[0]!);
      else if (section === 0) {
        qname = absolute(word);
        qtype = typeNumber(rest.filter((r) => r !== 'IN')[0]!);
      } else if (section > 0) {
        let whole = line;
        // Brackets carry a record over lines.
        while (count(whole, '(') > count(whole, ')') && i + 1 < lines.length) whole += ` ${lines[++i]!.split(';')[0]}`;
        const record = parseRecord(whole);
        if (record !== undefined) sections[section - 1]!.push(record);
      }
    }
    return { match, copiesQuery, flags, qname, qtype, sections };
  };
  for (; i < lines.length; i++) {
    const words = lines[i]!.split(/\s+/);
    if (words[0] === 'RANGE_BEGIN') {
      range = { from: Number(words[1]), to: Number(words[2]), addresses: [], entries: [] };
      ranges.push(range);
    } else if (words[0] === 'ADDRESS') (range!.addresses as string[]).push(words[1]!);
    else if (words[0] === 'RANGE_END') range = undefined;
    else if (words[0] === 'STEP') {
      const needsEntry = /^(QUERY|CHECK_ANSWER|REPLY|CHECK_OUT_QUERY)$/.test(words[2]!);
      if (needsEntry) while (lines[i] !== 'ENTRY_BEGIN') i++;
      steps.push({
        at: Number(words[1]),
        kind: words[2]!,
        argument: words.slice(3).join(' '),
        entry: needsEntry ? entry() : undefined,
      });
    } else if (words[0] === 'ENTRY_BEGIN') range?.entries.push(entry());
  }
  const date = settings.get('val-override-date') ?? '';
  const nowSeconds = date.length === 14 ? seconds(date) : Number.NaN;
  return { anchors, insecure, nowSeconds, entryPoints, forwarded, settings, ranges, steps };
}

function count(text: string, c: string): number {
  return text.split(';')[0]!.split(c).length - 1;
}
