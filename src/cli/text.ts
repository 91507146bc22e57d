// Findings, incidents and verdicts for people: plain words that paste into a ticket.
import {
  type Evidence,
  type Fault,
  type Finding,
  type Incident,
  isoTime,
  type Severity,
  type Verdict,
} from '#findings';
import type { Outcome } from '#pipeline';
import type { Summary } from './analyze.ts';
import { printable, type Style } from './options.ts';

type Paint = (style: Style, text: string) => string;

/** Places of one fault that are named. */
const PLACES_MAX = 8;

const styleOf: Readonly<Record<Severity, Style>> = {
  info: 'quiet',
  low: 'quiet',
  medium: 'warn',
  high: 'bad',
  critical: 'bad',
};

export function text(outcome: Outcome, summary: readonly Summary[], paint: Paint): string {
  const out: string[] = [];
  const many = outcome.incidents.filter((i) => i.findings.length > 1);
  for (const f of outcome.findings) out.push(finding(f, paint));
  for (const i of many) out.push(incident(i, paint));
  for (const v of outcome.verdicts) if (v.decision !== 'pass') out.push(verdict(v, paint));
  const passed = outcome.verdicts.filter((v) => v.decision === 'pass').length;
  if (passed > 0) out.push(`${passed} ${passed === 1 ? 'command' : 'commands'} passed.\n`);
  for (const s of outcome.states) {
    out.push(`${paint('strong', `The ${s.twin} twin`)} at ${isoTime(s.at)}: ${printable(s.text)}`);
    for (const x of s.suspects.slice(0, 6))
      out.push(
        `  ${printable(x.reading)}: ${x.normalized.toFixed(1)} standard deviations off, likely ${printable(x.likely)}`,
      );
    out.push('');
  }
  const low = outcome.trust.filter((t) => t.trust < 0.5);
  if (low.length > 0) {
    const worst = [...low].sort((a, b) => a.trust - b.trust).slice(0, 8);
    out.push(
      `${paint('strong', 'Not to be trusted now:')} ${worst.map((t) => `${t.asset} (${t.trust.toFixed(3)})`).join(', ')}${low.length > 8 ? `, and ${low.length - 8} more` : ''}.\n`,
    );
  }
  for (const c of outcome.coverage) out.push(`${paint('quiet', 'Not seen:')} ${printable(c.text)}\n`);
  out.push(...faultTexts(outcome.faults, paint));
  const all = summary[summary.length - 1]!;
  const parts = summary.slice(0, -1).map((s) => `${s.messages} ${s.plane} ${s.messages === 1 ? 'event' : 'events'}`);
  out.push(
    `${outcome.findings.length === 0 ? paint('good', 'Nothing found.') : `${count(outcome.findings.length, 'finding')}, ${count(outcome.incidents.length, 'incident')}.`} Read ${count(all.frames, 'frame')}${parts.length > 0 ? ` (${parts.join(', ')})` : ''}${all.seconds > 0 ? ` in ${all.seconds} s` : ''}.${all.shed > 0 ? ` ${all.shed} rows were shed at a capacity.` : ''}\n`,
  );
  return out.join('\n');
}

/** A line for each kind of fault, with the files that have it. */
export function faultTexts(faults: readonly Fault[], paint: Paint): string[] {
  return [...Map.groupBy(faults, (f) => `${f.code} ${f.text}`).values()].map((same) => {
    const f = same[0]!;
    const places = same.slice(0, PLACES_MAX).map(faultPlace);
    const more = same.length > PLACES_MAX ? ` and ${count(same.length - PLACES_MAX, 'file')} more` : '';
    return `${paint('warn', f.code)} ${places.join(', ')}${more}: ${printable(f.text)} Lost: ${f.lost}. ${f.remedy}\n`;
  });
}

function faultPlace(f: Fault): string {
  const place = f.frame !== undefined ? ` frame ${f.frame}` : f.line !== undefined ? ` line ${f.line}` : '';
  const byte = f.offset !== undefined ? ` byte 0x${f.offset.toString(16)}` : '';
  const times = (f.count ?? 1) > 1 ? ` (${f.count} times)` : '';
  return `${printable(f.file)}${place}${byte}${times}`;
}

export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

export function finding(f: Finding, paint: Paint): string {
  const lines = [`${paint(styleOf[f.severity], f.severity.toUpperCase())} ${paint('strong', printable(f.title))}`];
  lines.push(`  when      ${isoTime(f.firstAt)} to ${isoTime(f.lastAt)}, alert at ${isoTime(f.at)}`);
  const who = [f.asset.id, f.asset.ip, f.asset.host, f.asset.imsi, f.asset.role].filter(
    (x) => x !== undefined && x !== '',
  );
  lines.push(`  who       ${printable(who.join(', '))}`);
  lines.push(
    `  about     ${f.subject.type} ${printable(f.subject.value)}${f.tool !== undefined ? ` (${f.tool})` : ''}`,
  );
  if (f.leakedBytes !== undefined)
    lines.push(
      `  leaked    about ${f.leakedBytes} bytes, ${f.leakedBytesAtAlert ?? f.leakedBytes} of them before the alert`,
    );
  lines.push(`  sure      ${(f.confidence * 100).toFixed(1)} %`);
  for (const [n, r] of f.reasons.slice(0, 3).entries())
    lines.push(`  ${n === 0 ? 'because   ' : '          '}${printable(r.text)}`);
  for (const [n, r] of f.response.slice(0, 4).entries())
    lines.push(`  ${n === 0 ? 'do        ' : '          '}${r.type}: ${printable(r.record)}`);
  lines.push(
    `  evidence  ${f.evidence.slice(0, 4).map(place).join(', ')}${f.count > f.evidence.length ? ` (${f.count} events)` : ''}`,
  );
  if (f.techniques.length > 0) lines.push(`  ATT&CK    ${f.techniques.join(', ')}`);
  return `${lines.join('\n')}\n`;
}

function place(e: Evidence): string {
  return `${printable(e.file)}${e.frame !== undefined ? ` frame ${e.frame}` : ''}${e.line !== undefined ? ` line ${e.line}` : ''}${e.offset !== undefined ? ` byte ${e.offset}` : ''}`;
}

function incident(i: Incident, paint: Paint): string {
  const lines = [
    `${paint(styleOf[i.severity], `INCIDENT ${i.severity.toUpperCase()}`)} ${paint('strong', printable(i.title))}`,
  ];
  const names = i.assets.map((a) => a.id ?? a.ip ?? a.host ?? a.imsi ?? '?');
  lines.push(
    `  touches   ${printable(names.slice(0, 8).join(', '))}${names.length > 8 ? ` and ${names.length - 8} more` : ''}`,
  );
  for (const s of i.story.slice(0, 20)) lines.push(`  ${isoTime(s.at)}  ${printable(s.text)}`);
  if (i.story.length > 20) lines.push(`  and ${i.story.length - 20} more steps`);
  return `${lines.join('\n')}\n`;
}

export function verdict(v: Verdict, paint: Paint): string {
  const word = v.decision === 'hold' ? 'HELD' : v.decision === 'refuse' ? 'REFUSED' : 'PASSED';
  const lines = [
    `${paint(v.decision === 'pass' ? 'good' : 'bad', word)} ${paint('strong', `command ${printable(v.command)}`)} at ${isoTime(v.at)}`,
  ];
  for (const [n, r] of v.reasons.entries()) lines.push(`  ${n === 0 ? 'because   ' : '          '}${printable(r)}`);
  if (v.leansOn.length > 0)
    lines.push(
      `  leans on  ${printable(v.leansOn.slice(0, 10).join(', '))}${v.leansOn.length > 10 ? ` and ${v.leansOn.length - 10} more` : ''}`,
    );
  if (v.harm.length > 0) lines.push(`  would     ${printable(v.harm.slice(0, 6).join('; '))}`);
  return `${lines.join('\n')}\n`;
}
