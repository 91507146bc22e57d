import type { DetectorCard } from '../contract.ts';

export const DEVICES_BITS = 14;
export const PEERS_BITS = 16;
export const PASSED_MAX = 4096;

export const card: DetectorCard = {
  name: 'exfiltration',
  plane: 'flow',
  family: 'exfiltration',
  behaviour:
    'A device gives the outside far more in a day than it ever gave that place or any new place; or what it just fetched from outside it pushes on to another inside host, octet for octet.',
  takes: ['flow'],
  scope: 'city',
  techniques: ['T1048', 'T1567', 'T1570'],
  cannotSee: [
    'Less than what the device gives new places on an ordinary day.',
    'Data in DNS names (see dns-tunnel) or spread below the device’s own habit over weeks.',
    'What leaves through a place that four hosts of the city use, unless it is some hundred times the habit.',
    'What an outside host fetches from a server of ours.',
    'A push that was packed or encoded anew, or comes more than a minute after the fetch.',
    'The first day of a device: it is learned, whatever it does.',
  ],
  innocentCauses: [
    'A new backup or a new storage service: name it in dns.allow or as an asset.',
    'A large mail, a video call of hours to a new place, a machine that is moved to a new provider.',
    'A file fetched and put on a share: give file servers their role.',
  ],
  firstSteps: [
    'Ask the owner of the device what was sent; the place’s name often tells.',
    'Look at what the device read from inside in the hour before.',
    'Block the place by the record while you ask.',
  ],
  memoryBound: `${2 ** DEVICES_BITS} devices of 400 octets, ${2 ** PEERS_BITS} peers of 120, at most ${PASSED_MAX} told`,
};
