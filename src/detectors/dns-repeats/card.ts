import type { DetectorCard } from '../contract.ts';

export const card: DetectorCard = {
  name: 'dns-repeats',
  plane: 'dns',
  family: 'dns-command',
  behaviour:
    'A client asks the same few names of one domain over and over, past the time they may be cached: as a poll for orders, or with the order of the names or the gaps between them carrying data.',
  takes: ['dns'],
  scope: 'client',
  techniques: ['T1071.004', 'T1029'],
  cannotSee: [
    'channels of less than some hundred bits a day',
    'timing finer than half a second, and gaps that differ by less than an octave',
    'polls that go on within the lifetime of a cached answer: they do not reach the attacker',
    'clients behind a forwarder: all they ask counts as the forwarder',
  ],
  innocentCauses: [
    'a device that polls a service whose name was retired or is blocked by a filtering resolver',
    'monitoring that looks up its targets at irregular times under names with a lifetime of seconds',
  ],
  firstSteps: [
    'Read what the names answer, and ask who owns the domain.',
    'See whether the client ever connects to the addresses it gets.',
    'Look on the client for what asks: no user is behind a poll by the minute.',
  ],
  memoryBound: '65,536 names in 256 KiB, 65,536 client-domain pairs in 1.6 MiB, 4,096 watched pairs of at most 4 KiB',
};
