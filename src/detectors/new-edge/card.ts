import type { DetectorCard } from '../contract.ts';

export const EDGES_MAX = 100_000;
export const PEERS_MAX = 50_000;
export const HOPS_MAX = 512;

export const card: DetectorCard = {
  name: 'new-edge',
  plane: 'flow',
  family: 'movement',
  behaviour:
    'A host administers another that it never did, to one that serves nobody else so, or across zones where city.yaml has no conduit; then the target turns to the same outside address as the intruder.',
  takes: ['flow'],
  scope: 'city',
  techniques: ['T1021.002', 'T1021.003', 'T1021.001', 'T1021.004', 'T1021.006', 'T1570'],
  cannotSee: [
    'Steps along edges that honest people use every day.',
    'What is said inside SMB, WinRM or SSH.',
    'Hosts that speak within one switch port of each other, where no capture sees it.',
  ],
  innocentCauses: [
    'A new administrator or a new management server: say so in city.yaml (role, conduit).',
    'Vulnerability scanners.',
    'A repair done from a laptop on site.',
  ],
  firstSteps: [
    'Ask the owner of the source host whether it was them.',
    'Look at what the target did in the half hour after.',
    'Close the conduit by the record, then look for other hosts the source reached.',
  ],
  memoryBound: `${EDGES_MAX} edges of 100 octets, ${PEERS_MAX} outside peers, ${HOPS_MAX} open hops`,
};
