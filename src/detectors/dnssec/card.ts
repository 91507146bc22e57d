import type { DetectorCard } from '../contract.ts';

export const card: DetectorCard = {
  name: 'dnssec',
  plane: 'dns',
  family: 'dns-integrity',
  behaviour:
    'An answer about a signed zone that the city depends on is not what the zone signed: altered, expired, stripped of its signatures, led to an unsigned delegation, or made to exhaust those who validate it.',
  takes: ['dns'],
  scope: 'city',
  techniques: ['T1557', 'T1584.002', 'T1499.004'],
  cannotSee: [
    'answers to clients that ask for no signatures (DO bit not set): counted in coverage',
    'answers whose keys or delegation records did not pass the sensor within half a minute: counted in coverage',
    'what is asked by TLS, HTTPS or QUIC, and roads that bring no message (logs)',
    'a zone whose own keys are in the hands of the attacker',
    'zones that are not listed in city.yaml under dns.signed',
  ],
  innocentCauses: [
    'signatures that a zone forgot to renew',
    'a key rollover gone wrong: new keys without new delegation records',
    'a forwarder that knows nothing of DNSSEC and leaves signatures out',
    'a zone that gave up signing while city.yaml still lists it',
    'a clock of the sensor that is wrong by days',
  ],
  firstSteps: [
    'Ask the same name of an authoritative server over another path and compare.',
    'Look which server gave the answer, and whether others gave the right one at the same time.',
    'Flush the cache of that resolver, and let it validate by itself.',
  ],
  memoryBound:
    '512 key and delegation messages and 256 waiting answers in at most 2 MiB each, 1,024 findings, 4,096 marks of secure answers, filters of 80 KiB',
};
