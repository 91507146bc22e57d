import type { FaultTable } from '#events';

export const faults: FaultTable = {
  TCAP_UNDECODABLE: {
    text: 'A message to a mobile subsystem is no TCAP that an ITU network has.',
    remedy: 'Look at the frame: on an interconnect link this is itself suspicious.',
    lost: 'that message',
  },
};
