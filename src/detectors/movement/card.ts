import type { DetectorCard } from '../contract.ts';

/** Clients from which a host is a server of a way, and targets from which a source is an administrator by habit. */
export const SHARED = 3;

export const card: DetectorCard = {
  name: 'movement',
  plane: 'flow',
  family: 'movement',
  behaviour:
    'A host acts on another as it never did: administers it, crosses into a zone that no conduit leads to, runs something on it, pushes what it just fetched, under another user or a ticket that no controller gave; then the target calls where only the source had called.',
  takes: ['flow', 'operation'],
  scope: 'city',
  techniques: [
    'T1021.001',
    'T1021.002',
    'T1021.003',
    'T1021.004',
    'T1021.006',
    'T1047',
    'T1053.005',
    'T1569.002',
    'T1570',
    'T1078',
    'T1558.001',
    'T1003.006',
    'T0886',
  ],
  cannotSee: [
    'Steps along ways that were used for six hours without a claim.',
    'What is said inside encrypted SMB, WinRM and SSH: there flows and tickets alone speak.',
    'Traffic that passes no tap.',
  ],
  innocentCauses: [
    'A new administrator or management server (say so by its role in city.yaml).',
    'A repair from a laptop, or an administrator who works under a second account on the same host.',
    'Software given out from a workstation.',
  ],
  firstSteps: [
    'Ask the owner of the source host whether it was them, and under which account.',
    'Look at what ran on the target from the named minute on.',
    'Where a ticket may be forged, change the key of krbtgt twice.',
  ],
  memoryBound:
    '50,000 edges, clients, targets, peers and open flows each, 200,000 pairs of 8 octets, 20,000 hosts with tickets, 512 hops; the oldest goes, claims last',
};
