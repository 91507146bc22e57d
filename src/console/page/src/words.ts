// How facts are put into words: times, shares, commands. Formatting only; nothing is worked out here.
import type { WireAction, WireFinding, WireHold } from './wire.ts';

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `14:05:12` of an ISO time (UTC, as everywhere on the page). */
export function clock(iso: string): string {
  return iso.slice(11, 19);
}
export function day(iso: string): string {
  return `${Number(iso.slice(8, 10))} ${months[Number(iso.slice(5, 7)) - 1] ?? ''} ${iso.slice(0, 4)}`;
}
/** `25 Nov 14:05` */
export function dayClock(iso: string): string {
  return `${Number(iso.slice(8, 10))} ${months[Number(iso.slice(5, 7)) - 1] ?? ''} ${iso.slice(11, 16)}`;
}

/** Whether its records stand in the resolvers' list, confirmed or not: then it has an end. */
export function isPublished(action: WireAction): boolean {
  return action.state === 'enforced' || (action.state === 'proposed' && action.until !== undefined);
}

/** How long from one ISO time to another, in the two largest units: `3 h 42 min`, `48 s`; `no time` where it is past. */
export function left(fromIso: string, toIso: string): string {
  const seconds = Math.round((Date.parse(toIso) - Date.parse(fromIso)) / 1000);
  if (!(seconds > 0)) return 'no time';
  const units: [number, string][] = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'min'],
    [1, 's'],
  ];
  const first = units.findIndex(([size]) => seconds >= size);
  const [big, bigName] = units[first]!;
  const text = `${Math.floor(seconds / big)} ${bigName}`;
  const next = units[first + 1];
  const rest = next === undefined ? 0 : Math.floor((seconds % big) / next[0]);
  return rest === 0 ? text : `${text} ${rest} ${next![1]}`;
}

/** A share 0..1 as a percentage; near the ends one digit more, so that 0.999 doesn't read as certainty. */
export function percent(share: number): string {
  const fine = (share > 0 && share < 0.1) || (share > 0.99 && share < 1);
  const text = (share * 100).toFixed(fine ? 1 : 0);
  return `${fine && text === '100.0' ? '99.9' : text} %`;
}

/** A count with its thousands apart. */
export function number(value: number): string {
  return Math.round(value).toLocaleString('en-GB');
}

export function watts(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${(value / 1e6).toFixed(1)} MW`;
  return size >= 1e3 ? `${(value / 1e3).toFixed(1)} kW` : `${value} W`;
}

/** A command as a person would say it; falls back to its own words. */
export function sayCommand(command: WireHold['command']): string {
  const [twin, what, id] = command.target.split('/');
  const value = command.value;
  if (twin === 'power' && what === 'branch') return `${capital(command.action)} line ${id}`;
  if (twin === 'power' && typeof value === 'number') {
    if (what === 'gen') return `Set generation at bus ${id} to ${watts(value)}`;
    if (what === 'load') return `Switch off ${watts(value)} of load at bus ${id}`;
  }
  return `${capital(command.action)} ${command.target}${value === undefined ? '' : ` to ${value}`}`;
}

/** The branch row a command is about, or -1. */
export function rowOf(target: string): number {
  const match = /^power\/branch\/(\d+)$/.exec(target);
  return match === null ? -1 : Number(match[1]);
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${number(count)} ${count === 1 ? one : many}`;
}

export function assetName(asset: WireFinding['asset']): string {
  return asset.id ?? asset.host ?? asset.ip ?? asset.imsi ?? asset.mac ?? asset.role ?? 'unnamed device';
}

/** The part of the city a finding was seen in. */
export const planes: Readonly<Record<string, string>> = {
  dns: 'Names (DNS)',
  flow: 'Network traffic',
  signalling: 'Mobile network',
  power: 'Power grid',
  water: 'Water',
  transport: 'Transport',
  gateway: 'Commands',
};

/** How a person opens a piece of evidence in a capture; '' where it is not one. */
export function openWith(evidence: { readonly file: string; readonly frame?: number; readonly line?: number }): string {
  const file = `'${evidence.file.replaceAll("'", "'\\''")}'`;
  if (evidence.frame !== undefined) return `tshark -r ${file} -Y frame.number==${evidence.frame} -V`;
  if (evidence.line !== undefined) return `sed -n ${evidence.line}p ${file}`;
  return '';
}

const harms: Readonly<Record<string, string>> = {
  overload: 'A line would carry more than its rating.',
  voltage: 'Voltage would leave its band.',
  islanding: 'Part of the grid would be cut off.',
  'n-1': 'One more failure would then overload a line.',
  cascade: 'Lines would trip one after the other.',
  collapse: 'No stable state was found after it.',
  angle: 'The two ends are too far apart to be joined.',
  unobservable: 'Part of the grid can’t be seen, so it can’t be told.',
  untrusted: 'It can’t be told: the answer rests on devices that nobody should trust now.',
};

/** What a harm word of a verdict means. */
export function harmWords(harm: string): string {
  return harms[harm] ?? harm;
}
