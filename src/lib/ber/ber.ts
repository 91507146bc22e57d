// X.690 tags and lengths, read leniently: long-form and indefinite lengths and tags in any form are followed, and what is
// not the usual form is noted in `forms`. Nothing here recurses; the end of an indefinite length is found with a counter.

/** Nesting that is followed; MAP needs about ten. */
export const BER_DEPTH_MAX = 32;
/** Elements looked at in one message; a MAP profile has some hundreds. */
export const BER_NODES_MAX = 4096;

export const BerForm = { LongLength: 1, Indefinite: 2, ExtendedTag: 4 } as const;

/** One tag and length, reused. */
export class BerHeader {
  /** 0 universal, 1 application, 2 context, 3 private. */
  tagClass = 0;
  constructed = false;
  tagNumber = 0;
  /** Contents are [content, contentEnd); the next element starts at `next` (behind the end-of-contents octets). */
  content = 0;
  contentEnd = 0;
  next = 0;
  /** BerForm bits of this element: a length in more octets than needed, an indefinite length, an extended tag below 31. */
  forms = 0;

  /** Class, constructed bit and number below 31 as in a one-octet identifier; -1 for higher numbers. */
  get identifier(): number {
    return this.tagNumber > 30 ? -1 : (this.tagClass << 6) | (this.constructed ? 32 : 0) | this.tagNumber;
  }
  is(tagClass: number, tagNumber: number): boolean {
    return this.tagClass === tagClass && this.tagNumber === tagNumber;
  }
}

/** Reads the header at `at`. @returns false where the bytes up to `end` hold no whole element. */
export function readHeader(bytes: Uint8Array, at: number, end: number, out: BerHeader): boolean {
  const after = readTagAndLength(bytes, at, end, out);
  if (after < 0) return false;
  if ((out.forms & BerForm.Indefinite) === 0) return true;
  if (!out.constructed) return false;
  return closeIndefinite(bytes, end, out);
}

/** Header without the search for the end of an indefinite length. @returns offset of the contents or -1 */
function readTagAndLength(bytes: Uint8Array, start: number, end: number, out: BerHeader): number {
  let at = start;
  if (at >= end) return -1;
  const first = bytes[at++]!;
  out.tagClass = first >> 6;
  out.constructed = (first & 32) !== 0;
  out.forms = 0;
  let number = first & 31;
  if (number === 31) {
    number = 0;
    let octets = 0;
    for (;;) {
      if (at >= end || octets === 4) return -1;
      const octet = bytes[at++]!;
      octets += 1;
      number = number * 128 + (octet & 127);
      if (octet < 128) break;
    }
    if (number < 31) out.forms |= BerForm.ExtendedTag;
  }
  out.tagNumber = number;
  if (at >= end) return -1;
  let length = bytes[at++]!;
  if (length === 0x80) {
    out.forms |= BerForm.Indefinite;
    out.content = at;
    out.contentEnd = end;
    out.next = end;
    return at;
  }
  if (length > 0x80) {
    const octets = length & 127;
    if (octets > 8 || at + octets > end) return -1;
    length = 0;
    for (let i = 0; i < octets; i++) length = length * 256 + bytes[at++]!;
    const needed = length < 128 ? 0 : length < 256 ? 1 : length < 65536 ? 2 : length < 16777216 ? 3 : 4;
    if (octets > needed) out.forms |= BerForm.LongLength;
  }
  if (length > end - at) return -1;
  out.content = at;
  out.contentEnd = at + length;
  out.next = at + length;
  return at;
}

const inner = new BerHeader();

/** Walks to the end-of-contents octets that close `out` (8.1.5), counting how many are still awaited. */
function closeIndefinite(bytes: Uint8Array, end: number, out: BerHeader): boolean {
  let at = out.content;
  let open = 1;
  for (let nodes = 0; nodes < BER_NODES_MAX; nodes++) {
    if (at + 1 < end && bytes[at] === 0 && bytes[at + 1] === 0) {
      open -= 1;
      if (open === 0) {
        out.contentEnd = at;
        out.next = at + 2;
        return true;
      }
      at += 2;
      continue;
    }
    if (readTagAndLength(bytes, at, end, inner) < 0) return false;
    if ((inner.forms & BerForm.Indefinite) !== 0) {
      if (!inner.constructed) return false;
      open += 1;
      if (open > BER_DEPTH_MAX) return false;
      at = inner.content;
    } else at = inner.next;
  }
  return false;
}

/** Finds the `nth` child with this class and number in [at, end). */
export function findTag(
  bytes: Uint8Array,
  at: number,
  end: number,
  tagClass: number,
  tagNumber: number,
  out: BerHeader,
  nth = 0,
): boolean {
  let left = nth;
  let position = at;
  for (let nodes = 0; nodes < BER_NODES_MAX && position < end; nodes++) {
    if (!readHeader(bytes, position, end, out)) return false;
    if (out.is(tagClass, tagNumber) && left-- === 0) return true;
    position = out.next;
  }
  return false;
}

/** Dotted text of OID contents; pad octets (0x80 at the start of an arc, forbidden by 8.19.2) are skipped. */
export function oidText(bytes: Uint8Array, offset: number, end: number): string {
  let text = '';
  let arc = 0;
  let first = true;
  for (let i = offset; i < Math.min(end, offset + 64); i++) {
    arc = arc * 128 + (bytes[i]! & 127);
    if (bytes[i]! >= 128) continue;
    if (first) {
      const top = arc < 40 ? 0 : arc < 80 ? 1 : 2;
      text = `${top}.${arc - 40 * top}`;
      first = false;
    } else text += `.${arc}`;
    arc = 0;
  }
  return text;
}
