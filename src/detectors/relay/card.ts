import type { DetectorCard } from '../contract.ts';

export const DEVICES_MAX = 20_000;
export const KNOWN_MAX = 64;
export const STRANGERS_MAX = 512;

export const card: DetectorCard = {
  name: 'relay',
  plane: 'flow',
  family: 'relay',
  behaviour:
    'What a device fetched from destinations it never needed leaves it again through another flow, in the same number of octets and at the same time, over and over: its connection is sold.',
  takes: ['flow'],
  scope: 'client',
  techniques: ['T1496.002', 'T1090'],
  cannotSee: [
    'A relay that holds octets back for minutes after the destination has closed.',
    'Padding of more than a third, or compression, on one side.',
    'Destinations that the device met again and again in its first six hours, and flows of more than ten minutes.',
    'A channel that carries many customers at once among the device’s own visits, where logs tell only whole flows.',
    'Sampled flows: octets of single flows are not known.',
  ],
  innocentCauses: [
    'VPN gateways, web proxies and mail relays: they are relays; give them that role and keep them out of the client networks.',
    'A file fetched from one service and stored at another at once.',
    'Protocol bridges between two clouds: they meet the same two peers always, and are silent for that.',
  ],
  firstSteps: [
    'Look at the destinations: shops, mail and log-in pages are not what a meter needs.',
    'Ask whether the device was updated or sold on; look for a long session to a controller.',
    'Quarantine it by the nft record, and change its credentials.',
  ],
  memoryBound: `${DEVICES_MAX} devices of at most 32 KiB; rings only for devices that met strangers`,
};
