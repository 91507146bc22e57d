// M3UA (RFC 4666): transfer message with one Protocol Data parameter carrying SCCP.

export const m3uaProtocol = 3;

export function m3uaData(opc: number, dpc: number, sls: number, sccp: Uint8Array): Uint8Array {
  const parameter = 16 + sccp.length;
  const padded = (parameter + 3) & ~3;
  const b = new Uint8Array(8 + padded);
  const view = new DataView(b.buffer);
  // Version 1, class 1 (transfer), type 1 (DATA); the message length counts the padding.
  view.setUint32(0, 0x01000101);
  view.setUint32(4, 8 + padded);
  view.setUint16(8, 0x0210);
  view.setUint16(10, parameter);
  view.setUint32(12, opc);
  view.setUint32(16, dpc);
  // Service indicator 3 is SCCP; network indicator 2 is national.
  b.set([3, 2, 0, sls], 20);
  b.set(sccp, 24);
  return b;
}
