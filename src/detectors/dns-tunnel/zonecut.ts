// Where the attacker's zone begins: the deepest suffix under which the labels vary as data. Not only the registered domain:
// a tunnel under a shared domain must be cut off without its neighbours.
import { LOWER } from '#lib/wirename';
import { measureLabels, NameMeasure } from './names.ts';

const bytes = new Uint8Array(256);
const measure = new NameMeasure();

/** Lower-cased labels of a wire name kept as latin1 text. */
function labelsOf(wire: string): string[] {
  const out: string[] = [];
  for (let at = 0; at < wire.length; ) {
    const length = wire.charCodeAt(at);
    if (length === 0 || at + 1 + length > wire.length) break;
    out.push(lower(wire.slice(at + 1, at + 1 + length)));
    at += length + 1;
  }
  return out;
}

function lower(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i++) out += String.fromCharCode(LOWER[text.charCodeAt(i) & 255]!);
  return out;
}

/**
 * @param names wire names (latin1 text), all of one registered domain
 * @param registeredLabels labels of the registered domain; 0 where the names have none
 * @returns the cut's labels, left to right; empty where the names share no suffix
 */
export function zoneCut(names: readonly string[], registeredLabels: number): string[] {
  let common: string[] | undefined;
  let shortest = 128;
  for (const name of names) {
    const labels = labelsOf(name);
    shortest = Math.min(shortest, labels.length);
    if (common === undefined) {
      common = labels;
      continue;
    }
    let same = 0;
    while (same < common.length && same < labels.length && common.at(-1 - same) === labels.at(-1 - same)) same += 1;
    common = same === 0 ? [] : common.slice(-same);
  }
  if (common === undefined) return [];
  // The leftmost label of the shortest name is payload, whatever the names share.
  let keep = Math.min(common.length, shortest - 1);
  // Labels that themselves read as data are payload that has not varied yet (one query, or a session's constant part).
  const from = common.length - keep;
  for (let i = common.length - registeredLabels - 1; i >= from; i--) {
    if (!readsAsData(common[i]!)) continue;
    keep = common.length - i - 1;
    break;
  }
  keep = Math.max(keep, Math.min(registeredLabels, common.length));
  return keep === 0 ? [] : common.slice(-keep);
}

function readsAsData(label: string): boolean {
  bytes[0] = label.length;
  for (let i = 0; i < label.length; i++) bytes[1 + i] = label.charCodeAt(i);
  measure.starts[0] = 0;
  measure.payloadLabels = 1;
  measureLabels(bytes, measure);
  return measure.lastDataLabel >= 0 || measure.oddBytes > 0;
}
