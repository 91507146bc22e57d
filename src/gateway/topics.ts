// Topic names and filters, MQTT 5 sections 4.7 and 4.8: what is lawful, what matches, and what contains what.
// Authorising a subscription asks containment: every topic the filter can match must be granted. All loops are flat
// (a topic of 32,768 levels broke peers' stacks, mosquitto#1412).

/** Levels in a topic; deeper ones serve only to hurt a router. */
export const LEVELS_MAX = 64;
/** Octets of UTF-16 in a topic. */
export const TOPIC_LENGTH_MAX = 1024;

/** Why a text is no topic name that the gateway lets pass, or ''. */
export function nameFault(topic: string): string {
  if (topic === '') return 'the topic is empty';
  if (topic.length > TOPIC_LENGTH_MAX) return `the topic is longer than ${TOPIC_LENGTH_MAX} characters`;
  if (levelCount(topic) > LEVELS_MAX) return `the topic has more than ${LEVELS_MAX} levels`;
  if (topic.includes('+') || topic.includes('#')) return 'a topic name holds a wildcard';
  if (topic.includes('\u0000')) return 'the topic holds U+0000';
  return '';
}

/** Why a text is no topic filter, or ''. `$share` is taken off before (parseShare). */
export function filterFault(filter: string): string {
  if (filter === '') return 'the filter is empty';
  if (filter.length > TOPIC_LENGTH_MAX) return `the filter is longer than ${TOPIC_LENGTH_MAX} characters`;
  if (levelCount(filter) > LEVELS_MAX) return `the filter has more than ${LEVELS_MAX} levels`;
  if (filter.includes('\u0000')) return 'the filter holds U+0000';
  for (let i = 0; i < filter.length; i++) {
    const c = filter[i];
    if (c !== '+' && c !== '#') continue;
    if (i > 0 && filter[i - 1] !== '/') return 'a wildcard must fill its level';
    if (i + 1 < filter.length && (c === '#' || filter[i + 1] !== '/'))
      return c === '#' ? '# is not the last level' : 'a wildcard must fill its level';
  }
  return '';
}

export interface Share {
  /** '' where the subscription is not shared. */
  readonly group: string;
  readonly filter: string;
  readonly fault: string;
}

/** `$share/<group>/<filter>` taken apart, once only: what follows is a filter like any other, `$` and all. */
export function parseShare(text: string): Share {
  if (!text.startsWith('$share/') && text !== '$share') return { group: '', filter: text, fault: filterFault(text) };
  const slash = text.indexOf('/', 7);
  const group = slash < 0 ? '' : text.slice(7, slash);
  const filter = slash < 0 ? '' : text.slice(slash + 1);
  if (group === '') return { group, filter, fault: 'a shared subscription without a group' };
  if (/[+#]/.test(group)) return { group, filter, fault: 'a wildcard in the group of a shared subscription' };
  return { group, filter, fault: filterFault(filter) };
}

function levelCount(topic: string): number {
  let n = 1;
  for (let i = 0; i < topic.length; i++) if (topic.charCodeAt(i) === 0x2f) n++;
  return n;
}

/**
 * Whether every topic that `filter` can match is matched by `grant` too. A topic name is a filter without wildcards, so
 * this is also the match. Wildcards never reach a first level that begins with `$` (section 4.7.2).
 */
export function contains(grant: string, filter: string): boolean {
  const g = grant.split('/');
  const f = filter.split('/');
  if (f[0]!.startsWith('$') && (g[0] === '+' || g[0] === '#')) return false;
  for (let i = 0; ; i++) {
    if (i < g.length && g[i] === '#') return true;
    if (i === f.length) return i === g.length;
    if (i === g.length) return false;
    // `#` also matches its parent, which `+/#` does not, save at the first level, where there is no parent.
    if (f[i] === '#') return i === 0 && g[i] === '+' && g[i + 1] === '#';
    if (g[i] !== '+' && g[i] !== f[i]) return false;
  }
}

/** Whether some topic is matched by both filters. */
export function overlaps(a: string, b: string): boolean {
  const x = a.split('/');
  const y = b.split('/');
  const wild = (s: string): boolean => s === '+' || s === '#';
  if ((x[0]!.startsWith('$') && wild(y[0]!)) || (y[0]!.startsWith('$') && wild(x[0]!))) return false;
  for (let i = 0; ; i++) {
    if ((i < x.length && x[i] === '#') || (i < y.length && y[i] === '#')) return true;
    if (i === x.length || i === y.length) return x.length === y.length;
    if (x[i] !== '+' && y[i] !== '+' && x[i] !== y[i]) return false;
  }
}
