import type { DetectorCard } from '../contract.ts';

export const PAIRS_BITS = 15;
export const PLACES_BITS = 16;
export const DEVICES_BITS = 15;
export const TIMES = 64;

export const card: DetectorCard = {
  name: 'beacon',
  plane: 'flow',
  family: 'beacon',
  behaviour:
    'A host calls one outside place at a machine’s pace, or holds one session there for hours, though it never did when it was learned and hardly anyone else in the city does.',
  takes: ['flow'],
  scope: 'city',
  techniques: ['T1071.001', 'T1573'],
  cannotSee: [
    'Jitter beyond a half of the period, or pauses drawn anew each time over more than a factor of three.',
    'A channel that was there when the device was learned, before the end of a recorded input.',
    'Places that change at every call without a common name, certificate or client fingerprint.',
    'Fewer than a dozen calls; one session under half an hour.',
    'A place that four hosts of the city call: a fleet that was taken over at once.',
    'A channel through a service that others use too: chat, storage, a delivery network under its common name.',
  ],
  innocentCauses: [
    'A new application, or a page left open that polls, on one machine.',
    'A new head-end or maker’s service that so far one device uses: put it into dns.allow or name it as an asset.',
    'A VPN or remote-support session to a place of one’s own.',
  ],
  firstSteps: [
    'Ask which program calls: the period and the size name it.',
    'Look at what came down in the calls, and at what the host did after.',
    'If nobody owns it, block the place and isolate the host.',
  ],
  memoryBound: `${2 ** PAIRS_BITS} pairs of ${12 * TIMES + 150} octets, ${2 ** PLACES_BITS} places of 32, ${2 ** DEVICES_BITS} devices of 32`,
};
