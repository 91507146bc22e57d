// IEC 60870-5-104: I-frames with short floats (type 13), interrogation (100) and supervisory frames.

/** One I-frame of measured values: type 13 M_ME_NC_1, cause `cause`, sequence numbers mod 2^15. */
export function measuredFloats(
  send: number,
  receive: number,
  cause: number,
  common: number,
  values: readonly number[],
): Uint8Array {
  const asdu = 6 + values.length * 8;
  const b = new Uint8Array(6 + asdu);
  const view = new DataView(b.buffer);
  control(b, send, receive, asdu + 4);
  b[6] = 13;
  b[7] = values.length;
  b[8] = cause;
  view.setUint16(10, common, true);
  values.forEach((value, i) => {
    const o = 12 + i * 8;
    view.setUint16(o, 1000 + i, true);
    view.setFloat32(o + 3, value, true);
  });
  return b;
}
/** C_IC_NA_1: station interrogation. */
export function interrogation(send: number, receive: number, common: number): Uint8Array {
  const b = new Uint8Array(16);
  control(b, send, receive, 14);
  b.set([100, 1, 6, 0, common & 255, common >>> 8, 0, 0, 0, 20], 6);
  return b;
}
export const startData = Uint8Array.from([0x68, 4, 0x07, 0, 0, 0]);
export const startDataConfirm = Uint8Array.from([0x68, 4, 0x0b, 0, 0, 0]);

function control(b: Uint8Array, send: number, receive: number, length: number): void {
  b[0] = 0x68;
  b[1] = length;
  b[2] = (send << 1) & 0xfe;
  b[3] = (send >>> 7) & 255;
  b[4] = (receive << 1) & 0xfe;
  b[5] = (receive >>> 7) & 255;
}
