// Type numbers that validation looks at by name (IANA DNS parameters).
export const Type = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  SIG: 24,
  OPT: 41,
  DNAME: 39,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  NSEC3: 50,
  ANY: 255,
} as const;

const names: Readonly<Record<number, string>> = {
  1: 'A',
  2: 'NS',
  5: 'CNAME',
  6: 'SOA',
  12: 'PTR',
  15: 'MX',
  16: 'TXT',
  28: 'AAAA',
  33: 'SRV',
  35: 'NAPTR',
  39: 'DNAME',
  43: 'DS',
  46: 'RRSIG',
  47: 'NSEC',
  48: 'DNSKEY',
  50: 'NSEC3',
  52: 'TLSA',
  64: 'SVCB',
  65: 'HTTPS',
  255: 'ANY',
};

/** Mnemonic, or `TYPE65399` (RFC 3597 5). */
export function typeText(type: number): string {
  return names[type] ?? `TYPE${type}`;
}
