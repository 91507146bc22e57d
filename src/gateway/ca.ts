// A small authority for the demo and the tests: EC P-256, one SPIFFE URI SAN a certificate. Not for a real city, which
// has SPIRE or a PKI of its own; its keys live in memory until someone writes them.
import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const crypto = webcrypto as unknown as Crypto;
x509.cryptoProvider.set(crypto);

export interface Authority {
  /** PEM of the authority's certificate, for `ca`. */
  readonly cert: string;
  readonly certificate: x509.X509Certificate;
  readonly keys: CryptoKeyPair;
}
export interface Issued {
  readonly key: string;
  readonly cert: string;
}
export interface IssueOptions {
  /** Further subject alternative names, before the URI. */
  readonly names?: readonly { readonly type: 'dns' | 'ip' | 'url'; readonly value: string }[];
  /** Instead of the one URI. Tests make bad certificates with it. */
  readonly uris?: readonly string[];
  readonly commonName?: string;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly authority?: boolean;
  readonly usages?: number;
}

export const usage = x509.KeyUsageFlags;
const day = 86_400_000;

export async function createAuthority(trustDomain: string): Promise<Authority> {
  const keys = (await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as CryptoKeyPair;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=${trustDomain} demo authority`,
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 30 * day),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(usage.keyCertSign | usage.cRLSign, true),
      new x509.SubjectAlternativeNameExtension([{ type: 'url', value: `spiffe://${trustDomain}` }]),
    ],
  });
  return { cert: certificate.toString('pem'), certificate, keys };
}

/** A key and a certificate for one SPIFFE id, for a day unless told. */
export async function issue(ca: Authority, spiffeId: string, options: IssueOptions = {}): Promise<Issued> {
  const keys = (await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as CryptoKeyPair;
  const names = [
    ...(options.names ?? []),
    ...(options.uris ?? [spiffeId]).map((value) => ({ type: 'url' as const, value })),
  ];
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: `CN=${options.commonName ?? spiffeId.split('/').at(-1) ?? 'x'}`,
    issuer: ca.certificate.subject,
    notBefore: options.notBefore ?? new Date(Date.now() - 300_000),
    notAfter: options.notAfter ?? new Date(Date.now() + day),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey: ca.keys.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(options.authority ?? false, undefined, true),
      new x509.KeyUsagesExtension(options.usages ?? usage.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth, x509.ExtendedKeyUsage.serverAuth]),
      ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension([...names])]),
    ],
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey));
  return { key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'), cert: certificate.toString('pem') };
}

/** 16 random octets with the top bit clear: a positive serial number (RFC 5280 section 4.1.2.2). */
function serial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toString('hex');
}
