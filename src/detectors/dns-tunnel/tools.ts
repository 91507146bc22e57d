// Signs of known tools in names. They name the tool and add bits; nothing is found by them alone that the counts would not
// find a little later. Names are lower-cased presentation text of the part left of the registered domain.

export interface Sign {
  readonly tool: string;
  readonly bits: number;
}

const STRONG = 11;
const MIDDLE = 6;
const WEAK = 3;

/** @param text labels left of the registered domain, joined with dots, case kept; a wire name has at most 255 octets */
export function signOf(text: string, qtype: number): Sign | undefined {
  const lower = text.toLowerCase();
  // Version handshake: base32 of 00 00 05 02 (iodine doc/proto_00000502.txt).
  if (lower.startsWith('vaaaaka')) return { tool: 'iodine', bits: STRONG };
  if (/(^|\.)=(auth|connect)(\.|$)/.test(lower)) return { tool: 'dns2tcp', bits: STRONG };
  if (/^dnscat\.[0-9a-f]{4}/.test(lower)) return { tool: 'dnscat2', bits: STRONG };
  if (/^init\.[a-z2-7]{8,}.*\.base(64|32)(\.|$)/.test(lower)) return { tool: 'DNSExfiltrator', bits: STRONG };
  if (/\d+-\d+\.id-\d+\.(up|down)(\.|$)/.test(lower)) return { tool: 'OzymanDNS', bits: STRONG };
  // dnsteal ends each base64 label with '-' and writes '*' for '+'.
  if (/^[A-Za-z0-9+/*=]{20,}-(\.|$)/.test(text)) return { tool: 'dnsteal', bits: MIDDLE };
  if (qtype === 65399) return { tool: 'iodine', bits: WEAK };
  return undefined;
}

/**
 * dnscat2's conversation id: packet id (4 digits), type (SYN 00, MSG 01, FIN 02, ENC 03, PING ff), conversation (4 digits).
 * Any hex name may look so once; two names in a row of one conversation seldom do.
 */
export function conversationOf(text: string): string {
  return /^[0-9a-f]{4}(?:00|01|02|03|ff)([0-9a-f]{4})[0-9a-f]{4}/i.exec(text)?.[1]?.toLowerCase() ?? '';
}

export const CONVERSATION: Sign = { tool: 'dnscat2', bits: MIDDLE };
