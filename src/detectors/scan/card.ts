import type { DetectorCard } from '../contract.ts';

export const SOURCES_BITS = 14;
export const CONTACTS_BITS = 17;
export const PAIRS_BITS = 14;
export const VICTIMS_BITS = 10;
export const TOLD_MAX = 2048;

export const card: DetectorCard = {
  name: 'scan',
  plane: 'flow',
  family: 'scan',
  behaviour:
    'A host of the city tries many hosts or ports that do not answer, at any speed; or floods a place outside; or a server of the city is flooded.',
  takes: ['flow'],
  scope: 'city',
  techniques: ['T1046', 'T1018', 'T1498.001', 'T1499'],
  cannotSee: [
    'Scans from outside against addresses that nobody uses: the Internet’s background noise is not told.',
    'Tries that are answered, as on a network where all ports are open; a handful of tries.',
    'Reflected floods at the reflector when the spoofed source is no host of the city.',
    'A flood that stays below four times the device’s own rate to that place.',
    'Tries spread over months: a contact is forgotten when its table is full.',
  ],
  innocentCauses: [
    'Vulnerability scanners, monitoring and NAT gateways: name them as assets with that role.',
    'A machine that looks for peers or printers that moved; a network that was renumbered.',
    'A load test, a backup over UDP, a broadcast stream.',
  ],
  firstSteps: [
    'Ask the owner whether a tool was run; give a scanner its role in city.yaml.',
    'Look at which tries were answered: those are next.',
    'Quarantine the source; for a victim, ask the provider to filter upstream.',
  ],
  memoryBound: `${2 ** SOURCES_BITS} sources of 500 octets, ${2 ** CONTACTS_BITS} contacts of 16, ${2 ** PAIRS_BITS} pairs of 120, ${2 ** VICTIMS_BITS} victims of 600`,
};
