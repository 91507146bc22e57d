// TCAP (Q.773) for ITU networks: message type, transaction ids, dialogue portion, components. Read leniently, so that what a
// switch would act on is judged, with every departure from the usual encoding noted as an oddity, so that an evasion is
// judged too. This is a function, not a registered decoder: only MAP and CAP stand on it (decoders/map).
import { BerForm, BerHeader, findTag, oidText, readHeader } from '#lib/ber';

/** Message type tags, application class (Q.773, table 5). */
export const TcapType = { Unidirectional: 1, Begin: 2, End: 4, Continue: 5, Abort: 7 } as const;

export interface TcapComponent {
  readonly kind: 'invoke' | 'result' | 'error' | 'reject';
  readonly invokeId: number;
  /** Operation or error code; -1 where it has none. */
  readonly code: number;
  /** The argument or result: [offset, end), empty where there is none. */
  readonly offset: number;
  readonly end: number;
}
export interface TcapMessage {
  readonly type: number;
  /** Transaction ids in hex; '' where absent. */
  readonly otid: string;
  readonly dtid: string;
  /** Application context name, dotted; '' where there is none. */
  readonly context: string;
  readonly components: readonly TcapComponent[];
  /** Offset behind the message. */
  readonly next: number;
}

/** Components looked at in one message. */
const COMPONENTS_MAX = 64;

const h = new BerHeader();
const inner = new BerHeader();
const deep = new BerHeader();

/** Reads one message at `start`. @returns undefined where it is not TCAP; why is the last of `oddities` */
export function readTcap(
  bytes: Uint8Array,
  start: number,
  end: number,
  oddities: Set<string>,
): TcapMessage | undefined {
  if (start >= end) return fail(oddities, 'TCAP_EMPTY');
  // ANSI TCAP (T1.114) uses private-class package types: query, conversation, response, unidirectional.
  if (bytes[start]! >> 6 === 3) return fail(oddities, 'TCAP_ANSI');
  if (!readHeader(bytes, start, end, h)) return fail(oddities, 'TCAP_TRUNCATED');
  note(h, oddities);
  if (h.tagClass !== 1 || !h.constructed || !known.has(h.tagNumber)) return fail(oddities, 'TCAP_TYPE');
  const type = h.tagNumber;
  const next = h.next;
  const last = h.contentEnd;
  let otid = '';
  let dtid = '';
  let context = '';
  let components: TcapComponent[] = [];
  let at = h.content;
  for (let n = 0; n < 16 && at < last; n++) {
    if (!readHeader(bytes, at, last, h)) {
      oddities.add('TCAP_TRUNCATED');
      break;
    }
    note(h, oddities);
    at = h.next;
    if (h.tagClass !== 1) {
      oddities.add('TCAP_PART');
      continue;
    }
    if (h.tagNumber === 8) otid = tid(bytes, h, oddities);
    else if (h.tagNumber === 9) dtid = tid(bytes, h, oddities);
    else if (h.tagNumber === 11) context = dialogue(bytes, h.content, h.contentEnd, oddities);
    else if (h.tagNumber === 12) components = readComponents(bytes, h.content, h.contentEnd, oddities);
    else if (h.tagNumber !== 10) oddities.add('TCAP_PART');
  }
  return { type, otid, dtid, context, components, next };
}

const known = new Set<number>(Object.values(TcapType));

function fail(oddities: Set<string>, code: string): undefined {
  oddities.add(code);
  return undefined;
}

function note(header: BerHeader, oddities: Set<string>): void {
  if (header.forms === 0) return;
  if ((header.forms & BerForm.LongLength) !== 0) oddities.add('TCAP_LONG_LENGTH');
  if ((header.forms & BerForm.Indefinite) !== 0) oddities.add('TCAP_INDEFINITE');
  if ((header.forms & BerForm.ExtendedTag) !== 0) oddities.add('TCAP_EXTENDED_TAG');
}

/** Transaction ids have 1 to 4 octets (Q.773, 3.2); longer ones are read and noted. */
function tid(bytes: Uint8Array, header: BerHeader, oddities: Set<string>): string {
  const octets = header.contentEnd - header.content;
  if (octets < 1 || octets > 4) oddities.add('TCAP_TID_LENGTH');
  let text = '';
  for (let i = header.content; i < Math.min(header.contentEnd, header.content + 16); i++)
    text += bytes[i]!.toString(16).padStart(2, '0');
  return text;
}

/** EXTERNAL with a dialogue PDU; the application context name is [1] within it (Q.773, 4.2.3). */
function dialogue(bytes: Uint8Array, from: number, end: number, oddities: Set<string>): string {
  const external = inner;
  if (!readHeader(bytes, from, end, external) || !external.is(0, 8)) return malformed(oddities);
  note(external, oddities);
  if (!findTag(bytes, external.content, external.contentEnd, 2, 0, deep)) return malformed(oddities);
  const pduAt = deep.content;
  const pduEnd = deep.contentEnd;
  if (!readHeader(bytes, pduAt, pduEnd, deep) || deep.tagClass !== 1) return malformed(oddities);
  note(deep, oddities);
  const kind = deep.tagNumber;
  // Aborts (4) carry no context; requests, responses and unidirectional PDUs do. The protocol version before it is optional.
  if (kind === 4) return '';
  const contentEnd = deep.contentEnd;
  if (!findTag(bytes, deep.content, contentEnd, 2, 1, deep)) return malformed(oddities);
  note(deep, oddities);
  const name = deep.contentEnd;
  if (!readHeader(bytes, deep.content, name, deep) || !deep.is(0, 6)) return malformed(oddities);
  note(deep, oddities);
  for (let i = deep.content; i < deep.contentEnd; i++) {
    if (bytes[i] === 0x80 && (i === deep.content || bytes[i - 1]! < 128)) {
      oddities.add('TCAP_CONTEXT_PADDED');
      break;
    }
  }
  return oidText(bytes, deep.content, deep.contentEnd);
}

function malformed(oddities: Set<string>): string {
  oddities.add('TCAP_DIALOGUE');
  return '';
}

const kinds: Readonly<Record<number, TcapComponent['kind']>> = {
  1: 'invoke',
  2: 'result',
  3: 'error',
  4: 'reject',
  7: 'result',
};

function readComponents(bytes: Uint8Array, from: number, end: number, oddities: Set<string>): TcapComponent[] {
  const found: TcapComponent[] = [];
  let at = from;
  let invokes = 0;
  while (at < end && found.length < COMPONENTS_MAX) {
    if (!readHeader(bytes, at, end, inner)) {
      oddities.add('TCAP_TRUNCATED');
      break;
    }
    note(inner, oddities);
    at = inner.next;
    let kind = inner.tagClass === 2 ? kinds[inner.tagNumber] : undefined;
    if (kind === undefined) {
      // A tag that no standard knows: read as an invoke, since a lenient switch might.
      oddities.add('TCAP_COMPONENT_TAG');
      kind = 'invoke';
    }
    if (kind === 'invoke') invokes += 1;
    found.push(readComponent(bytes, inner.content, inner.contentEnd, kind, oddities));
  }
  if (invokes > 1) oddities.add('TCAP_SEVERAL_INVOKES');
  return found;
}

function readComponent(
  bytes: Uint8Array,
  from: number,
  end: number,
  kind: TcapComponent['kind'],
  oddities: Set<string>,
): TcapComponent {
  let at = from;
  let invokeId = -1;
  let code = -1;
  if (readHeader(bytes, at, end, deep)) {
    if (deep.is(0, 2)) invokeId = integer(bytes, deep, '', oddities);
    at = deep.next;
  }
  if (kind === 'reject') return { kind, invokeId, code, offset: end, end };
  let last = end;
  if (kind === 'invoke' && readHeader(bytes, at, end, deep) && deep.is(2, 0)) {
    oddities.add('TCAP_LINKED');
    at = deep.next;
  } else if (kind === 'result') {
    // Operation and result stand together in a SEQUENCE, or are both absent (Q.773, 4.2.2).
    if (!readHeader(bytes, at, end, deep) || !deep.is(0, 16)) return { kind, invokeId, code, offset: end, end };
    note(deep, oddities);
    at = deep.content;
    last = deep.contentEnd;
  }
  if (readHeader(bytes, at, last, deep)) {
    note(deep, oddities);
    if (deep.is(0, 2)) {
      code = integer(bytes, deep, 'TCAP_OPCODE_PADDED', oddities);
      at = deep.next;
    } else if (deep.is(0, 6)) {
      // Global operation codes are OIDs; the last arc is the number that local codes have.
      oddities.add('TCAP_GLOBAL_OPCODE');
      const arc =
        deep.contentEnd - deep.content === 1
          ? bytes[deep.content]!
          : lastArc(oidText(bytes, deep.content, deep.contentEnd));
      code = arc;
      at = deep.next;
    } else oddities.add('TCAP_OPCODE');
  }
  return { kind, invokeId, code, offset: Math.min(at, last), end: last };
}

function lastArc(oid: string): number {
  const arc = Number(oid.slice(oid.lastIndexOf('.') + 1));
  return Number.isSafeInteger(arc) ? arc : -1;
}

/** A small INTEGER; octets before the last four are ignored. `code` is noted where the form is not the shortest. */
function integer(bytes: Uint8Array, header: BerHeader, code: string, oddities: Set<string>): number {
  let value = 0;
  for (let i = Math.max(header.content, header.contentEnd - 4); i < header.contentEnd; i++)
    value = (value << 8) | bytes[i]!;
  const octets = header.contentEnd - header.content;
  if (code !== '' && octets > 1 && bytes[header.content] === 0 && bytes[header.content + 1]! < 128) oddities.add(code);
  return octets === 1 ? (value << 24) >> 24 : value;
}
