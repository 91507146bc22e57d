// What encrypted DNS looks like in a single row.
import type { DnsBatch, FlowBatch } from '#events';

/** UDP ports of DNS over QUIC: RFC 9250 and its drafts 02 (784) and 03 (8853). */
export const quicPorts: ReadonlySet<number> = new Set([853, 784, 8853]);
/** UDP ports that DNSCrypt servers use. */
const cryptPorts = new Set([53, 443, 4434, 5353, 8443]);

/**
 * Whether a flow's sizes are those of DNSCrypt over UDP. It pads to 64 octets (protocol 2, sections 6 and 7): an answer has 48
 * more, a question 68 more by the text, none by the widespread client, which pads the whole of it; questions have 256 or more.
 * One flow of that make is chance in 2,048.
 */
export function isPadded(batch: FlowBatch, i: number): boolean {
  const up = batch.originatorPackets[i]!;
  const down = batch.responderPackets[i]!;
  if (!cryptPorts.has(batch.responderPort[i]!) || up === 0 || down === 0) return false;
  const question = batch.originatorPayloadBytes[i]!;
  const answer = batch.responderPayloadBytes[i]! - 48 * down;
  if (question < 256 * up || answer < 64 * down || answer % 64 !== 0) return false;
  return question % 64 === 0 || (question - 68 * up) % 64 === 0;
}

/**
 * Whether a TXT question asks for a DNSCrypt certificate: `2.dnscrypt-cert.<provider>`, or, off the DNS port, any name whose
 * first label is the protocol's number (DNSCrypt protocol 2, section 7; providers choose the rest of the name).
 */
export function isCertificate(batch: DnsBatch, i: number): boolean {
  const { bytes } = batch;
  const at = batch.nameOffset[i]!;
  if (bytes[at] !== 1 || (bytes[at + 1] !== 0x31 && bytes[at + 1] !== 0x32)) return false;
  const port = batch.serverPort[i]!;
  // 0: a log that does not tell it.
  if (port === 53 || port === 0) return bytes[at + 2] === 13 && startsWith(bytes, at + 3, 'dnscrypt-cert');
  return batch.labelCount[i]! >= 3 && port !== 5353 && port !== 5355;
}

function startsWith(bytes: Uint8Array, at: number, text: string): boolean {
  for (let k = 0; k < text.length; k++) if ((bytes[at + k]! | 0x20) !== (text.charCodeAt(k) | 0x20)) return false;
  return true;
}
