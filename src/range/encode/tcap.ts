// TCAP (ITU-T Q.773) in definite-length BER: Begin, End and the dialogue portion of MAP.

/** Tag, length, contents. */
export function ber(tag: number, ...contents: (number | readonly number[])[]): number[] {
  const body = contents.flat() as number[];
  const length = body.length < 128 ? [body.length] : [0x81, body.length];
  if (body.length > 255) throw new RangeError('longer than a unitdata carries');
  return [tag, ...length, ...body];
}

/** Object identifier octets of a MAP application context 0.4.0.0.1.0.number.version. */
function contextName(number: number, version: number): number[] {
  return [0x06, 7, 4, 0, 0, 1, 0, number, version];
}
const dialogueId = [0x06, 7, 0, 0x11, 0x86, 5, 1, 1, 1];

function word(id: number): number[] {
  return [(id >>> 24) & 255, (id >>> 16) & 255, (id >>> 8) & 255, id & 255];
}

export function begin(origin: number, context: number, version: number, component: readonly number[]): Uint8Array {
  const request = ber(0x60, [0x80, 2, 7, 0x80], ber(0xa1, contextName(context, version)));
  const dialogue = ber(0x6b, ber(0x28, dialogueId, ber(0xa0, request)));
  return Uint8Array.from(ber(0x62, ber(0x48, word(origin)), dialogue, ber(0x6c, component)));
}

export function end(destination: number, context: number, version: number, component: readonly number[]): Uint8Array {
  const response = ber(
    0x61,
    [0x80, 2, 7, 0x80],
    ber(0xa1, contextName(context, version)),
    ber(0xa2, [2, 1, 0]),
    ber(0xa3, ber(0xa1, [2, 1, 0])),
  );
  const dialogue = ber(0x6b, ber(0x28, dialogueId, ber(0xa0, response)));
  return Uint8Array.from(ber(0x64, ber(0x49, word(destination)), dialogue, ber(0x6c, component)));
}

export function invoke(operation: number, parameter: readonly number[]): number[] {
  return ber(0xa1, [2, 1, 1], [2, 1, operation], parameter);
}
export function result(operation: number, parameter: readonly number[]): number[] {
  return ber(0xa2, [2, 1, 1], ber(0x30, [2, 1, operation], parameter));
}
export function returnError(code: number): number[] {
  return ber(0xa3, [2, 1, 1], [2, 1, code]);
}
