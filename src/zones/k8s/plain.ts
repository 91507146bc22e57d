// Untrusted YAML as it comes: every field is asked for its shape before it is used.

export type Plain = Readonly<Record<string, unknown>>;

export const object = (value: unknown): Plain =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Plain) : {};
export const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
export const text = (value: unknown): string =>
  typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
/** Follows keys down; undefined where one is missing. */
export function at(value: unknown, ...keys: readonly string[]): unknown {
  let here: unknown = value;
  for (const key of keys) {
    const o = object(here);
    here = Object.hasOwn(o, key) ? o[key] : undefined;
  }
  return here;
}
/** A map of strings, such as labels. */
export function strings(value: unknown): ReadonlyMap<string, string> {
  return new Map(Object.entries(object(value)).map(([k, v]) => [k, text(v)]));
}
