// Subscriber, serving node and profile out of an operation's argument or result (TS 29.002). Only what detectors ask is read;
// the rest is walked over by its lengths.
import { BER_NODES_MAX, BerForm, BerHeader, readHeader } from '#lib/ber';
import { tbcdDigits } from '#lib/tbcd';
import { answers, argumentShapes, type FieldKind } from './operations.ts';

export class Argument {
  imsi = '';
  msisdn = '';
  node = '';
  apn = '';
  gaveLocation = false;
  gaveKeys = false;
  gaveIdentity = false;
  /** Whether elements of the argument have tags in the extended form, or could not be read. */
  extendedTag = false;
  unreadable = false;
  clear(): void {
    this.imsi = '';
    this.msisdn = '';
    this.node = '';
    this.apn = '';
    this.gaveLocation = false;
    this.gaveKeys = false;
    this.gaveIdentity = false;
    this.extendedTag = false;
    this.unreadable = false;
  }
}

const outer = new BerHeader();
const h = new BerHeader();
const inner = new BerHeader();

/** Fills `out` from the argument of operation `code` in [at, end). */
export function readArgument(bytes: Uint8Array, at: number, end: number, code: number, out: Argument): void {
  out.clear();
  const shape = argumentShapes[code];
  if (at >= end || shape === undefined) return;
  if (!readHeader(bytes, at, end, outer)) {
    out.unreadable = true;
    return;
  }
  if ((outer.forms & BerForm.ExtendedTag) !== 0) out.extendedTag = true;
  if (!outer.constructed) {
    if (shape.alone !== undefined) field(bytes, outer, shape.alone, out);
    return;
  }
  const octets = shape.octets ?? [];
  let seen = 0;
  let position = outer.content;
  const last = outer.contentEnd;
  for (let n = 0; n < BER_NODES_MAX && position < last; n++) {
    if (!readHeader(bytes, position, last, h)) {
      out.unreadable = true;
      return;
    }
    if ((h.forms & BerForm.ExtendedTag) !== 0) out.extendedTag = true;
    position = h.next;
    if (h.tagClass === 2) {
      const kind = shape.context?.[h.tagNumber];
      if (kind !== undefined) field(bytes, h, kind, out);
    } else if (h.is(0, 4)) {
      const kind = octets[seen++];
      if (kind !== undefined && kind !== '') field(bytes, h, kind, out);
    } else if (h.is(0, 16) && code === 3 && out.imsi === '') {
      // Identity is a CHOICE of IMSI and IMSI-WithLMSI.
      if (readHeader(bytes, h.content, h.contentEnd, inner) && inner.is(0, 4)) field(bytes, inner, 'imsi', out);
    }
  }
}

function field(bytes: Uint8Array, header: BerHeader, kind: FieldKind, out: Argument): void {
  const { content, contentEnd } = header;
  const length = contentEnd - content;
  if (kind === 'imsi') {
    if (length >= 3 && length <= 8) out.imsi = tbcdDigits(bytes, content, length);
  } else if (kind === 'msisdn') out.msisdn = number(bytes, content, length);
  else if (kind === 'node') {
    // The first is the VLR or SGSN itself; a MSC number before it gives way.
    const text = number(bytes, content, length);
    if (header.tagClass === 0 || out.node === '') out.node = text;
  } else if (kind === 'identity') {
    if (!readHeader(bytes, content, contentEnd, inner) || inner.tagClass !== 2) return;
    if ((inner.forms & BerForm.ExtendedTag) !== 0) out.extendedTag = true;
    if (inner.tagNumber === 0) field(bytes, inner, 'imsi', out);
    else if (inner.tagNumber === 1) field(bytes, inner, 'msisdn', out);
  } else if (kind === 'profile') out.apn = apnOf(bytes, content, contentEnd);
}

/** AddressString: one octet of extension, nature and plan, then TBCD digits. */
function number(bytes: Uint8Array, offset: number, length: number): string {
  return length < 2 || length > 21 ? '' : tbcdDigits(bytes, offset + 1, length - 1);
}

const stack = new Int32Array(32);

/** The first APN of GPRSSubscriptionData: [1] list, PDP-Context, apn [20]. A bounded walk into constructed elements. */
function apnOf(bytes: Uint8Array, from: number, end: number): string {
  let at = from;
  let depth = 0;
  stack[0] = end;
  for (let n = 0; n < BER_NODES_MAX; n++) {
    while (depth > 0 && at >= stack[depth]!) depth -= 1;
    if (at >= stack[0]! || !readHeader(bytes, at, stack[depth]!, inner)) return '';
    if (inner.is(2, 20) && !inner.constructed) return apnText(bytes, inner.content, inner.contentEnd);
    if (inner.constructed && depth < 7) {
      stack[++depth] = inner.contentEnd;
      at = inner.content;
    } else at = inner.next;
  }
  return '';
}

/** Labels with length octets (TS 23.003, 9.1), joined by dots. */
function apnText(bytes: Uint8Array, from: number, end: number): string {
  let text = '';
  let at = from;
  while (at < end && text.length < 128) {
    const length = bytes[at]!;
    if (length === 0 || at + 1 + length > end) break;
    if (text !== '') text += '.';
    for (let i = at + 1; i <= at + length; i++) text += String.fromCharCode(bytes[i]!);
    at += 1 + length;
  }
  return text.toLowerCase();
}

/** Fills `out` with what the positive answer to `code` in [at, end) gave away. */
export function readAnswer(bytes: Uint8Array, at: number, end: number, code: number, out: Argument): void {
  out.clear();
  const gives = answers[code];
  if (gives === undefined || at >= end || !readHeader(bytes, at, end, outer)) return;
  if (outer.contentEnd - outer.content === 0) return;
  out.gaveKeys = gives.keys === true && outer.contentEnd - outer.content > 12;
  if (!outer.constructed) {
    if (code === 58) field(bytes, outer, 'imsi', out);
    out.gaveIdentity = out.imsi !== '';
    out.gaveLocation = gives.location === true;
    return;
  }
  if (code === 70 || code === 71) {
    locationOf(bytes, outer.content, outer.contentEnd, out);
    return;
  }
  out.gaveLocation = gives.location === true;
  let position = outer.content;
  const last = outer.contentEnd;
  for (let n = 0; n < 64 && position < last; n++) {
    if (!readHeader(bytes, position, last, h)) return;
    position = h.next;
    // IMSI: first OCTET STRING of the answers to 45 and 55, [9] of that to 22.
    if (out.imsi === '' && ((h.is(0, 4) && code !== 22) || (h.is(2, 9) && code === 22)) && code !== 83 && code !== 85)
      field(bytes, h, 'imsi', out);
    // LocationInfoWithLMSI [0]: networkNode-Number [1].
    if (
      code === 45 &&
      h.is(2, 0) &&
      h.constructed &&
      readHeader(bytes, h.content, h.contentEnd, inner) &&
      inner.is(2, 1)
    )
      out.node = number(bytes, inner.content, inner.contentEnd - inner.content);
  }
  out.gaveIdentity = gives.identity === true && out.imsi !== '';
  if (code === 55) out.gaveKeys = out.gaveKeys && last - outer.content > 20;
}

/** SubscriberInfo: locationInformation [0], locationInformationGPRS [3], locationInformation-EPS within; VLR number [1] of [0]. */
function locationOf(bytes: Uint8Array, from: number, end: number, out: Argument): void {
  if (!readHeader(bytes, from, end, h) || !h.constructed) return;
  // Phase 2 sends SubscriberInfo itself, phase 2+ puts it into a SEQUENCE; both hold [0] and [3].
  let position = h.is(0, 16) ? h.content : from;
  const last = h.is(0, 16) ? h.contentEnd : end;
  for (let n = 0; n < 64 && position < last; n++) {
    if (!readHeader(bytes, position, last, h)) return;
    position = h.next;
    if (h.tagClass !== 2 || (h.tagNumber !== 0 && h.tagNumber !== 3) || h.contentEnd === h.content) continue;
    out.gaveLocation = true;
    if (h.tagNumber !== 0) continue;
    let at = h.content;
    const stop = h.contentEnd;
    for (let k = 0; k < 32 && at < stop && readHeader(bytes, at, stop, inner); k++) {
      at = inner.next;
      if (inner.is(2, 1)) out.node = number(bytes, inner.content, inner.contentEnd - inner.content);
    }
  }
}
