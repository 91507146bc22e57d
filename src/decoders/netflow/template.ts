// Templates of NetFlow v9 (RFC 3954 5, 6) and IPFIX (RFC 7011 3.4, 8), compiled to the few fields that a flow needs. A template
// is never changed once made: one told again takes its place.
import { formOf, Slot, slotOf } from './elements.ts';
import { type Plain, plainOf } from './plain.ts';
import { u16, u32 } from './record.ts';

/** Field length that means "told in the record" (RFC 7011 7); H3C and nProbe use it in v9 too. */
export const VARIABLE = 65_535;
/** IPFIX has 480 elements of its own; no device tells more than a few dozen in one record. */
export const FIELDS_MAX = 1024;

export class Template {
  readonly id: number;
  readonly isOptions: boolean;
  /** Of every field in a variable template, of the needed ones in a fixed one. */
  readonly slots: Int16Array;
  readonly forms: Uint8Array;
  readonly lengths: Uint16Array;
  /** From the record's start; only where not isVariable. */
  readonly offsets: Int32Array;
  readonly isVariable: boolean;
  /** Whether records tell a sampling rate, or whose it is. */
  readonly tellsRate: boolean;
  /** Whether records tell packets or octets, or are of one packet each. */
  readonly hasCounts: boolean;
  /** Octets of a record, of the shortest one where isVariable. Not 0. */
  readonly recordBytes: number;
  /** Where its fields stand, if its records are of the usual shape. */
  readonly plain: Plain | undefined;
  /** What it costs to keep, in fields. */
  readonly weight: number;
  /** Which faults have been told of it. */
  toldNoFlow = false;
  toldNoTime = false;
  toldNoCounts = false;

  constructor(id: number, isOptions: boolean, fields: readonly Field[]) {
    this.id = id;
    this.isOptions = isOptions;
    this.isVariable = fields.some((f) => f.length === VARIABLE);
    let bytes = 0;
    const kept: (Field & { offset: number })[] = [];
    for (const f of fields) {
      const isNeeded = this.isVariable || (f.slot !== Slot.None && f.length > 0);
      if (isNeeded) kept.push({ ...f, offset: bytes });
      bytes += f.length === VARIABLE ? 1 : f.length;
    }
    this.recordBytes = bytes;
    this.weight = 16 + kept.length;
    this.hasCounts = fields.some((f) => (f.slot >= Slot.Octets && f.slot <= Slot.Layer2Octets) || isSection(f.slot));
    this.tellsRate = fields.some((f) => f.slot >= Slot.SamplerId && f.slot <= Slot.SamplingProbability);
    this.plain = this.isVariable || isOptions ? undefined : plainOf(kept);
    this.slots = Int16Array.from(kept, (f) => f.slot);
    this.forms = Uint8Array.from(kept, (f) => f.form);
    this.lengths = Uint16Array.from(kept, (f) => f.length);
    this.offsets = Int32Array.from(kept, (f) => f.offset);
  }
}

function isSection(slot: number): boolean {
  return slot === Slot.FrameSection || slot === Slot.IpSection;
}

/** Transport ports, whatever the protocol, and those of one alone (180 to 183). */
const PORT = { source: 7, destination: 11, udpSource: 180, tcpDestination: 183 } as const;

interface Field {
  slot: number;
  readonly form: number;
  readonly length: number;
  readonly isOneProtocol: boolean;
}

/** What `readTemplate` found besides the template. */
export class TemplateView {
  id = 0;
  /** Position behind it; -1 where it is broken. */
  next = 0;
  template: Template | undefined;
  /** Field count 0: an IPFIX withdrawal (RFC 7011 8.1). */
  isWithdrawal = false;
}

/** Reads the template at `at`, of a set that ends at `end`. */
export function readTemplate(
  b: Uint8Array,
  at: number,
  end: number,
  isIpfix: boolean,
  isOptions: boolean,
  view: TemplateView,
): void {
  view.template = undefined;
  view.isWithdrawal = false;
  view.next = -1;
  if (end - at < 4) return;
  view.id = u16(b, at);
  if (view.id < 2 && !isIpfix) return;
  let count = u16(b, at + 2);
  let from = at + 4;
  if (isIpfix && count === 0) {
    view.isWithdrawal = true;
    view.next = from;
    return;
  }
  if (isOptions) {
    if (end - at < 6) return;
    from = at + 6;
    // v9 tells octets of scopes, then of options; IPFIX counts all fields, then the scopes among them.
    if (!isIpfix) {
      const octets = count + u16(b, at + 4);
      if (octets % 4 !== 0) return;
      count = octets / 4;
    }
  }
  if (view.id < 256 || count === 0 || count > FIELDS_MAX) return;
  const fields: Field[] = [];
  let hasPorts = false;
  let scopes = !isOptions ? 0 : isIpfix ? u16(b, at + 4) : u16(b, at + 2) / 4;
  for (let i = 0; i < count; i++) {
    if (from + 4 > end) return;
    let id = u16(b, from);
    const length = u16(b, from + 2);
    let enterprise = 0;
    from += 4;
    if (isIpfix && (id & 0x8000) !== 0) {
      if (from + 4 > end) return;
      id &= 0x7fff;
      enterprise = u32(b, from);
      from += 4;
      // An enterprise of 0 is not that of IANA: nobody's element (vflow#129).
      if (enterprise === 0) enterprise = -1;
    }
    if (enterprise === 0 && (id === PORT.source || id === PORT.destination)) hasPorts = true;
    // v9 scopes have numbers of their own (RFC 3954 6.1): 2 is the interface.
    const isV9Scope = !isIpfix && scopes-- > 0;
    const slot = isV9Scope ? (id === 2 ? Slot.IngressInterface : Slot.None) : slotOf(id, enterprise);
    const isOneProtocol = enterprise === 0 && id >= PORT.udpSource && id <= PORT.tcpDestination;
    fields.push({ slot, form: isV9Scope ? 0 : formOf(id, enterprise), length, isOneProtocol });
  }
  // Ports of UDP and of TCP beside those of either (Cisco NBAR) are zero where the flow is of the other protocol, and not only there.
  if (hasPorts) for (const f of fields) if (f.isOneProtocol) f.slot = Slot.None;
  view.next = from;
  const template = new Template(view.id, isOptions, fields);
  if (template.recordBytes > 0) view.template = template;
  else view.next = -1;
}
