// Names by which browsers and systems ask whether they may use an encrypted resolver of their own. "No" is NXDOMAIN or NODATA;
// an address, even 0.0.0.0, is "yes" (StevenBlack/hosts#1172).
import type { Rule } from './rule.ts';

export const canaryRules: readonly Rule[] = [
  // Mozilla's canary domain: Firefox leaves DNS-over-HTTPS off.
  { owner: 'use-application-dns.net', outcome: { kind: 'nxdomain' } },
  // Apple's iCloud Private Relay.
  { owner: 'mask.icloud.com', outcome: { kind: 'nxdomain' } },
  { owner: 'mask-h2.icloud.com', outcome: { kind: 'nxdomain' } },
  // Discovery of designated resolvers (RFC 9462, 4 and 6.4).
  { owner: '_dns.resolver.arpa', outcome: { kind: 'nodata' } },
];
