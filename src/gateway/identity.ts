// Who is on the other end of a TLS connection: the one URI SAN of its certificate, read from the DER.
// Node gives SANs as one string, into which a DNS name can inject others (CVE-2021-44532), so the string is not used.
// Rules: SPIFFE-ID sections 2.1-2.3, X509-SVID sections 2-5. TLS itself has proved the chain and the dates before.

export interface Identity {
  /** The whole id, `spiffe://city/meter/4711`. */
  readonly id: string;
  readonly trustDomain: string;
  /** Path segments; none for the id of a trust domain, which is no workload. */
  readonly path: readonly string[];
  /** Last path segment: the name topics and client ids are checked against. */
  readonly name: string;
}
export interface Refused {
  readonly fault: string;
}

const trustDomainText = /^[a-z0-9._-]{1,255}$/;
const segmentText = /^[A-Za-z0-9._-]+$/;

/**
 * A SPIFFE id by its grammar. The scheme must be lower case: two spellings of one id would be two keys in every map
 * behind this function (the specification lets a verifier choose; java-spiffe#67 shows the cost).
 */
export function parseSpiffeId(text: string): Identity | Refused {
  if (text.length > 2048) return { fault: 'the id is longer than 2048 octets' };
  if (!text.startsWith('spiffe://')) return { fault: 'the id does not begin with spiffe://' };
  const [trustDomain = '', ...path] = text.slice(9).split('/');
  if (!trustDomainText.test(trustDomain)) return { fault: 'the trust domain is not made of a-z 0-9 . _ -' };
  for (const s of path)
    if (!segmentText.test(s) || s === '.' || s === '..')
      return { fault: 'a path segment is empty, a dot segment or holds a character that ids do not have' };
  return { id: text, trustDomain, path, name: path.at(-1) ?? '' };
}

/**
 * The identity in a certificate that TLS has verified.
 * @param der the certificate
 * @param trustDomains those whose authority was configured; another one is refused though its chain may verify
 */
export function identityOf(der: Uint8Array, trustDomains: readonly string[]): Identity | Refused {
  const extensions = readExtensions(der);
  if (extensions === undefined) return { fault: 'the certificate could not be read' };
  const usage = extensions.get('551d0f');
  const basic = extensions.get('551d13');
  const names = extensions.get('551d11');
  if (extensions.twice) return { fault: 'the certificate has an extension twice' };
  if (basic !== undefined && isAuthority(basic)) return { fault: 'the certificate is one of an authority' };
  // KeyUsage bits count from the most significant: 0 digitalSignature, 5 keyCertSign, 6 cRLSign.
  if (usage !== undefined) {
    const bits = usage.length >= 4 && usage[0] === 3 ? usage[3]! : 0;
    if ((bits & 0x06) !== 0) return { fault: 'the certificate may sign certificates' };
    if ((bits & 0x80) === 0) return { fault: 'the certificate may not sign' };
  }
  const uris = names === undefined ? [] : readUris(names);
  if (uris === undefined) return { fault: 'the subject alternative names could not be read' };
  if (uris.length !== 1) return { fault: `the certificate has ${uris.length} URI names and must have exactly one` };
  const identity = parseSpiffeId(uris[0]!);
  if ('fault' in identity) return identity;
  if (identity.path.length === 0) return { fault: 'the id is that of a trust domain, not of anyone in it' };
  if (!trustDomains.includes(identity.trustDomain))
    return { fault: `trust domain ${identity.trustDomain} is not one of ours` };
  return identity;
}

interface Element {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

/** One DER element: definite lengths in their shortest form only (X.690 section 10.1). */
function element(der: Uint8Array, at: number, end: number): Element | undefined {
  if (at + 2 > end) return undefined;
  const tag = der[at]!;
  if ((tag & 0x1f) === 0x1f) return undefined;
  let length = der[at + 1]!;
  let start = at + 2;
  if (length >= 0x80) {
    const n = length & 0x7f;
    if (n === 0 || n > 3 || start + n > end || der[start] === 0) return undefined;
    length = 0;
    for (let i = 0; i < n; i++) length = length * 256 + der[start + i]!;
    if (length < 0x80) return undefined;
    start += n;
  }
  return start + length > end ? undefined : { tag, start, end: start + length };
}

/** The elements between two places; undefined where they don't fill it exactly. */
function elements(der: Uint8Array, start: number, end: number): Element[] | undefined {
  const out: Element[] = [];
  for (let at = start; at < end; ) {
    const e = element(der, at, end);
    if (e === undefined) return undefined;
    out.push(e);
    at = e.end;
  }
  return out;
}

class Extensions extends Map<string, Uint8Array> {
  twice = false;
}

/** Extension values by the hex of their OID. */
function readExtensions(der: Uint8Array): Extensions | undefined {
  const certificate = element(der, 0, der.length);
  if (certificate === undefined || certificate.tag !== 0x30 || certificate.end !== der.length) return undefined;
  const tbs = element(der, certificate.start, certificate.end);
  if (tbs === undefined || tbs.tag !== 0x30) return undefined;
  const out = new Extensions();
  for (const part of elements(der, tbs.start, tbs.end) ?? []) {
    if (part.tag !== 0xa3) continue;
    const list = element(der, part.start, part.end);
    const items = list && elements(der, list.start, list.end);
    if (items === undefined) return undefined;
    for (const item of items) {
      const fields = elements(der, item.start, item.end);
      const oid = fields?.[0];
      const value = fields?.at(-1);
      if (oid?.tag !== 0x06 || value?.tag !== 0x04) return undefined;
      const key = Buffer.from(der.subarray(oid.start, oid.end)).toString('hex');
      if (out.has(key)) out.twice = true;
      out.set(key, der.subarray(value.start, value.end));
    }
  }
  return out;
}

function isAuthority(value: Uint8Array): boolean {
  const sequence = element(value, 0, value.length);
  const first = sequence && element(value, sequence.start, sequence.end);
  return first?.tag === 0x01 && value[first.start] !== 0;
}

/** GeneralName [6] uniformResourceIdentifier, RFC 5280 section 4.2.1.6. */
function readUris(value: Uint8Array): string[] | undefined {
  const sequence = element(value, 0, value.length);
  if (sequence?.tag !== 0x30 || sequence.end !== value.length) return undefined;
  return elements(value, sequence.start, sequence.end)
    ?.filter((e) => e.tag === 0x86)
    .map((e) => Buffer.from(value.subarray(e.start, e.end)).toString('latin1'));
}
