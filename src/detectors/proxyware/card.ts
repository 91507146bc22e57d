import type { DetectorCard } from '../contract.ts';

export const DEVICES_MAX = 4096;
export const HITS_MAX = 16;

export const card: DetectorCard = {
  name: 'proxyware',
  plane: 'flow',
  family: 'relay',
  behaviour:
    'A device asks for or speaks to the control, gateway or enrolment names of a service that pays for bandwidth: its connection is sold to strangers.',
  takes: ['flow', 'dns'],
  scope: 'client',
  techniques: ['T1496.002', 'T1090'],
  cannotSee: [
    'A service whose names are not on the list, or that uses addresses only: no match is no proof.',
    'Names hidden by encrypted DNS and encrypted client hello, and names of QUIC flows.',
    'Which device asked, where a forwarder asks for all of them.',
    'Whether anything was relayed: the detector `relay` judges that.',
  ],
  innocentCauses: [
    'A person who reads about such a service: web sites and panels alone never make a claim.',
    'A business that buys from such a service (customer entries): that is another matter, and no claim.',
    'Link previews and prefetching: a look-up weighs less than a flow.',
  ],
  firstSteps: [
    'Find the program: client, browser extension, or an app with such a kit built in.',
    'Ask the owner whether it was installed on purpose; on a field device nobody may.',
    'Remove it, change the device’s credentials, and look at `relay` for what went through.',
  ],
  memoryBound: `${DEVICES_MAX} devices with at most ${HITS_MAX} names each, only of devices that met the list; 65,536 flow numbers`,
};
