import type { DetectorCard } from '../contract.ts';

export const card: DetectorCard = {
  name: 'dga',
  plane: 'dns',
  family: 'dns-command',
  behaviour:
    'A client asks for many registered domains that nobody sold, as malware does that looks for its controller by generated names.',
  takes: ['dns'],
  scope: 'client',
  techniques: ['T1568.002', 'T1071.004'],
  cannotSee: [
    'generated names that go through DNS over TLS, HTTPS or QUIC',
    'a resolver that answers what does not exist with an address of its own: nothing fails then',
    'a generator whose first names are registered, or that tries fewer than four a day',
    'families that put words together, until some dozens of names have failed within hours',
    'generated names below a domain that exists (hosts, not domains)',
    'clients behind a forwarder: all they ask counts as the forwarder',
  ],
  innocentCauses: [
    'link checkers, crawlers and mail gateways that look up old or forged sender domains',
    'research and brand-protection tools that try domains on purpose',
    'a list of blocked domains that is checked against a resolver that refuses them',
  ],
  firstSteps: [
    'Read the failed names: are they of one make, under a few top-level domains, minutes apart?',
    'Look at the names that did resolve: whoever owns them may command the client.',
    'Find the process on the client that asks, and isolate the client if nobody knows it.',
  ],
  memoryBound:
    '32,768 client-domain pairs, 16,384 domains, 4,096 clients in together 1 MiB; 1,024 suspects of at most 8 KiB; a name filter of 256 KiB',
};
