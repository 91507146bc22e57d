// Addresses as the exchange formats take them: RFC 5952 without a dotted part (the published STIX pattern refuses one) and
// without a zone, which is a matter of the machine that wrote it.
import { formatAddress, parseAddress } from '#lib/address';

const words = new Uint32Array(4);

/** The one text of an address; undefined where it is none. */
export function canonical(ip: string): string | undefined {
  return parseAddress(ip, words, 0) ? formatAddress(words, 0) : undefined;
}
