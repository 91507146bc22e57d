// The words of the DNS for its numbers, in every spelling that logs use. IANA "Domain Name System (DNS) Parameters"; the general
// forms TYPEnnn and CLASSnnn are RFC 3597 section 5.

const types = words({
  ...numbered(
    1,
    'A NS MD MF CNAME SOA MB MG MR NULL WKS PTR HINFO MINFO MX TXT RP AFSDB X25 ISDN RT NSAP NSAP-PTR SIG KEY PX GPOS AAAA LOC NXT EID NIMLOC SRV ATMA NAPTR KX CERT A6 DNAME SINK OPT APL DS SSHFP IPSECKEY RRSIG NSEC DNSKEY DHCID NSEC3 NSEC3PARAM TLSA SMIMEA',
  ),
  ...numbered(55, 'HIP NINFO RKEY TALINK CDS CDNSKEY OPENPGPKEY CSYNC ZONEMD SVCB HTTPS DSYNC HHIT BRID'),
  ...numbered(99, 'SPF UINFO UID GID UNSPEC NID L32 L64 LP EUI48 EUI64'),
  NXNAME: 128,
  ...numbered(249, 'TKEY TSIG IXFR AXFR MAILB MAILA ANY URI CAA AVC DOA AMTRELAY RESINFO WALLET CLA IPN'),
  '*': 255,
  ALL: 255,
  TA: 32768,
  DLV: 32769,
});

const classes = words({ IN: 1, CH: 3, CHAOS: 3, HS: 4, HESIOD: 4, NONE: 254, ANY: 255 });

const rcodes = words({
  ...numbered(0, 'NOERROR FORMERR SERVFAIL NXDOMAIN NOTIMP REFUSED YXDOMAIN YXRRSET NXRRSET NOTAUTH NOTZONE DSOTYPENI'),
  NOTIMPL: 4,
  BADSIG: 16,
  ...numbered(16, 'BADVERS BADKEY BADTIME BADMODE BADNAME BADALG BADTRUNC BADCOOKIE'),
});

function words(table: Readonly<Record<string, number>>): ReadonlyMap<string, number> {
  return new Map(Object.entries(table));
}

function numbered(first: number, names: string): Record<string, number> {
  return Object.fromEntries(names.split(' ').map((word, i) => [word, first + i]));
}

/** A, TYPE65, type=65, 65, `1 (A)` or `65 (HTTPS)`. @returns the number; -1 where the text is no type */
export function dnsType(text: string): number {
  return numberOf(text, types, /^(?:TYPE=?)?(\d{1,5})(?: \([^)]*\))?$/i, 0xffff);
}

/** IN, CHAOS, CLASS1, 1. @returns the number; -1 where the text is no class */
export function dnsClass(text: string): number {
  return numberOf(text, classes, /^(?:CLASS)?(\d{1,5})$/i, 0xffff);
}

/** NXDOMAIN, RCODE3, 3. @returns the full rcode of RFC 6891 6.1.3; -1 where the text is none */
export function dnsRcode(text: string): number {
  return numberOf(text, rcodes, /^(?:RCODE)?(\d{1,4})$/i, 4095);
}

function numberOf(text: string, known: ReadonlyMap<string, number>, general: RegExp, max: number): number {
  // Looked up as it stands first: logs write the words in upper case.
  const word = known.get(text);
  if (word !== undefined) return word;
  const found = general.exec(text);
  if (found !== null) {
    const value = Number(found[1]);
    return value <= max ? value : -1;
  }
  return known.get(text.toUpperCase()) ?? -1;
}
