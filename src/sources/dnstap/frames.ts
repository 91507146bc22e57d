// Frame Streams, the framing of dnstap (farsightsec/fstrm, fstrm/control.h): a 32-bit length before each frame; length 0
// escapes to a control frame, which has a length, a type and fields of its own. All numbers are big-endian.
//
//   data     | length > 0 | octets ... |
//   control  | 0 | length | type | field type, length, octets ... |

export const Control = { Accept: 1, Start: 2, Stop: 3, Ready: 4, Finish: 5 } as const;
const CONTENT_TYPE_FIELD = 1;
const CONTENT_TYPE = 'protobuf:dnstap.Dnstap';

/**
 * Largest data frame that is read. Two DNS messages of 65,535 octets and their envelope must fit (DNS-collector#1271), which
 * 128 KiB would not hold.
 */
export const FRAME_BYTES_MAX = 262_144;
/** fstrm writes 512 at the most; vendors add fields (DNS-collector#1217). */
export const CONTROL_BYTES_MAX = 4096;

/** What stands at the front of a stream; one reused value. */
export class FrameView {
  /** Octets that must be there before the front can be told; 0 where it is told. */
  need = 4;
  isControl = false;
  /** Octets of the length fields before the content. */
  headBytes = 0;
  /** Octets of the content, as claimed: it may be beyond the bound, and is then not waited for. */
  bytes = 0;
}

export function isTooLong(frame: FrameView): boolean {
  return frame.bytes > (frame.isControl ? CONTROL_BYTES_MAX : FRAME_BYTES_MAX);
}

/** Looks at the frame that begins at `start`. @returns whether it is told whole (`need` 0), or claims more than is read */
export function readFrame(bytes: Uint8Array, start: number, end: number, out: FrameView): boolean {
  const have = end - start;
  out.need = 4;
  if (have < 4) return false;
  out.bytes = u32(bytes, start);
  out.headBytes = 4;
  out.isControl = out.bytes === 0;
  if (out.isControl) {
    out.need = 8;
    if (have < 8) return false;
    out.bytes = u32(bytes, start + 4);
    out.headBytes = 8;
  }
  const whole = out.headBytes + out.bytes;
  out.need = have >= whole || isTooLong(out) ? 0 : whole;
  return out.need === 0;
}

export interface ControlFrame {
  /** 0 where there are not even four octets. */
  readonly type: number;
  /** Whether one of its content types is dnstap's, or it has none (which means any). */
  readonly isDnstap: boolean;
  readonly hasContentType: boolean;
  /** A field runs beyond the frame; what was before it stands. */
  readonly isBroken: boolean;
}

/** Reads a control frame's content. Fields of unknown type are passed over. */
export function readControl(bytes: Uint8Array, start: number, length: number): ControlFrame {
  if (length < 4) return { type: 0, isDnstap: false, hasContentType: false, isBroken: true };
  const end = start + length;
  const type = u32(bytes, start);
  let named = 0;
  let isNamed = false;
  let at = start + 4;
  while (at + 8 <= end) {
    const field = u32(bytes, at);
    const fieldBytes = u32(bytes, at + 4);
    if (at + 8 + fieldBytes > end) break;
    if (field === CONTENT_TYPE_FIELD) {
      named += 1;
      isNamed ||= isContentType(bytes, at + 8, fieldBytes);
    }
    at += 8 + fieldBytes;
  }
  return { type, isDnstap: named === 0 || isNamed, hasContentType: named > 0, isBroken: at !== end };
}

function isContentType(bytes: Uint8Array, at: number, length: number): boolean {
  if (length !== CONTENT_TYPE.length) return false;
  for (let i = 0; i < length; i++) if (bytes[at + i] !== CONTENT_TYPE.charCodeAt(i)) return false;
  return true;
}

/** A control frame as it goes on the wire, escape included. */
export function writeControl(type: number, withContentType: boolean): Uint8Array {
  const field = withContentType ? 8 + CONTENT_TYPE.length : 0;
  const frame = Buffer.alloc(12 + field);
  frame.writeUInt32BE(4 + field, 4);
  frame.writeUInt32BE(type, 8);
  if (withContentType) {
    frame.writeUInt32BE(CONTENT_TYPE_FIELD, 12);
    frame.writeUInt32BE(CONTENT_TYPE.length, 16);
    frame.write(CONTENT_TYPE, 20, 'latin1');
  }
  return frame;
}

function u32(b: Uint8Array, at: number): number {
  return ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0;
}
