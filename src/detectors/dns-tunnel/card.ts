import type { DetectorCard } from '../contract.ts';

export const card: DetectorCard = {
  name: 'dns-tunnel',
  plane: 'dns',
  family: 'dns-exfiltration',
  behaviour:
    'A client moves data through DNS: in the names it asks of one zone, in the answers it gets, or both (tunnels, exfiltration, command channels).',
  takes: ['dns'],
  scope: 'client',
  techniques: ['T1071.004', 'T1572', 'T1048.003'],
  cannotSee: [
    'what goes through DNS over TLS, HTTPS or QUIC (only flow features show it)',
    'what left DNS behind on port 53 (dns-bypass reports it)',
    'names that pass as those of a look-up service (address look-ups, nothing brought down), up to some kilobytes a week',
    'repeats of the same few names (dns-repeats weighs their order and gaps)',
    'clients behind a forwarder: all they ask counts as the forwarder',
  ],
  innocentCauses: [
    'virus scanners, block lists and reputation services that put hashes or addresses into names',
    'mail gateways that read many TXT records',
    'a host that appends its search list to thousands of other names a week (Kubernetes, ndots 5): list the suffix under dns.allow',
    'a mesh or VPN product that tunnels through DNS on purpose: list its zone in city.yaml under dns.allow',
  ],
  firstSteps: [
    'Open the first and the decisive evidence and read the names.',
    'Ask who owns the zone and whether software on the client is known to use it.',
    'Publish the response records in observe mode, look who is hit, then enforce; isolate the client.',
  ],
  memoryBound: '65,536 client-domain pairs in 3 MiB, 4,096 suspects of at most 10 KiB, a name filter of 1 MiB',
};
