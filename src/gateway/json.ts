// JSON as a gateway must read it: two readers must not be able to see two different commands in one text. Refuses
// duplicate fields (after unescaping), nesting past a bound and trailing text, which JSON.parse lets pass.
const DEPTH_MAX = 8;

/** @returns the value, or a sentence saying why there is none. */
export function parseStrict(bytes: Uint8Array): { value: unknown } | { fault: string } {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { fault: 'the payload is not UTF-8' };
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { fault: 'the payload is not JSON' };
  }
  const fault = structureFault(text);
  return fault === '' ? { value } : { fault };
}

/** Walks text that JSON.parse has accepted, so that only structure is left to look at. */
function structureFault(text: string): string {
  // A set of field names for each open object, null for each open array.
  const open: (Set<string> | null)[] = [];
  let nameNext = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '{' || c === '[') {
      if (open.length === DEPTH_MAX) return `the payload is nested deeper than ${DEPTH_MAX} levels`;
      open.push(c === '{' ? new Set() : null);
      nameNext = c === '{';
    } else if (c === '}' || c === ']') {
      open.pop();
      nameNext = false;
    } else if (c === ',') nameNext = open.at(-1) != null;
    else if (c === '"') {
      const start = i++;
      while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
      if (!nameNext) continue;
      nameNext = false;
      const name = JSON.parse(text.slice(start, i + 1)) as string;
      const names = open.at(-1)!;
      if (names.has(name)) return 'the payload names a field twice';
      names.add(name);
    }
  }
  return '';
}
