import type { DetectorCard } from '../contract.ts';

export const PAIRS_MAX = 20_000;
export const SERVERS_MAX = 20_000;
export const FUNCTIONS_MAX = 64;
export const BLOCKS_MAX = 4096;
export const CLAIMS_MAX = 512;

export const card: DetectorCard = {
  name: 'plant-writer',
  plane: 'flow',
  family: 'plant',
  behaviour:
    'A host that never did writes to a controller or commands it, uses a function it never used, stops, restarts, loads, renames or unlocks it, floods it or sends it broken messages; or a GOOSE publisher’s state number falls.',
  takes: ['operation'],
  scope: 'city',
  techniques: ['T0855', 'T0831', 'T0816', 'T0858', 'T0843', 'T0836', 'T0859', 'T0814', 'T0856'],
  cannotSee: [
    'A wrong value written by the host that always writes.',
    'What S7 plus, OPC UA and others say behind their keys.',
    'Writes of the first six hours, which are taken for the plant’s habit (engineering is told from the first).',
  ],
  innocentCauses: [
    'Maintenance from the engineering station (say so by its role in city.yaml).',
    'A new operator station; a hand-over to the redundant server.',
    'A device that was started anew.',
    'A serial line with much noise behind a terminal server (broken messages); a poller whose controller is off, seen from one side.',
  ],
  firstSteps: [
    'Ask the control room whether work on this controller is under way.',
    'Read the program and the mode of the controller and compare them with the store.',
    'Close the way by the record if nobody knows of it.',
  ],
  memoryBound: `${PAIRS_MAX} pairs with ${FUNCTIONS_MAX} functions, ${SERVERS_MAX} controllers, ${BLOCKS_MAX} control blocks, ${CLAIMS_MAX} claims; the oldest goes`,
};
