import type { DetectorCard } from '../contract.ts';

export const card: DetectorCard = {
  name: 'dns-bypass',
  plane: 'dns',
  family: 'dns-bypass',
  behaviour:
    'A client asks for names where nobody can read along or where it should not: DNS over TLS, QUIC or HTTPS, DNSCrypt, resolvers that city.yaml does not name, or something else on the DNS port.',
  takes: ['dns', 'flow'],
  scope: 'client',
  techniques: ['T1572', 'T1071.004', 'T1048'],
  cannotSee: [
    'DNS over HTTPS to a private host, or with the server name encrypted (ECH), beyond connections to addresses never asked for',
    'DNSCrypt whose certificate was fetched before the capture',
    'which names were asked: that is what is hidden',
    'a client that gets its names from a list, or from a neighbour, and one that still asks some names openly',
    'what passes through a VPN',
  ],
  innocentCauses: [
    'browsers and phones that use encrypted DNS by default, and devices with a public resolver built in',
    'peer-to-peer software, time servers and updates that connect to addresses they carry along',
    'a VPN or a game that uses the DNS port because it is open everywhere',
  ],
  firstSteps: [
    'A field device has no choice of resolver: look at its configuration and at what else changed on it.',
    'Block 853 and foreign resolvers for field zones, and see whether it comes back to the city’s own.',
    'For offices: answer use-application-dns.net with NXDOMAIN, never with 0.0.0.0, or offer encrypted DNS yourself.',
  ],
  memoryBound:
    '8,192 clients in 0.3 MiB, 131,072 client-address pairs in 1.5 MiB, filters of answers and flows in 1.2 MiB; 2,048 clients with something to tell, each of at most 8 KiB',
};
