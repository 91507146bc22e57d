import type { DetectorCard } from '../contract.ts';

export const card: DetectorCard = {
  name: 'signalling',
  plane: 'signalling',
  family: 'signalling',
  behaviour:
    'Someone outside the home network asks for, takes, or changes what only the home or the visited network may: location, identity, keys, registration or profile of a SIM of the city.',
  takes: ['signalling'],
  scope: 'city',
  techniques: ['T1430.002', 'T1428', 'T1451', 'T1464', 'T1036', 'T1499'],
  cannotSee: [
    'what passes a link that is not tapped, and encrypted Diameter',
    'an attacker inside the home or a partner network who sends what that network may send',
    'a device whose SIM stands neither in city.yaml nor in its ranges',
    'the subscriber behind a telephone number or TMSI until an answer or the city file names the IMSI',
    'GTP and SMS contents',
  ],
  innocentCauses: [
    'a roaming partner that is missing from city.yaml',
    'a new GMLC, SMS hub or gsmSCF of a service provider that the operator agreed to',
    'a device that was carried over a border, or whose SIM was moved',
    'a signalling transfer point that rewrites addresses',
  ],
  firstSteps: [
    'Ask the operator whose calling address it is and whether an agreement covers the operation.',
    'If keys or registration were given: treat data over that SIM as unauthenticated until an end-to-end signature holds; have the SIM re-authenticated or changed.',
    'Hand the response records to the operator as firewall rules.',
  ],
  memoryBound:
    '65,536 subscribers of about 300 bytes, 4,096 findings with at most 10,000 places each (3 unless all evidence is asked for)',
};
