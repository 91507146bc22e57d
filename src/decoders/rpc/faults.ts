import type { FaultTable } from '#events';

export const faults: FaultTable = {
  RPC_LOST: {
    text: 'Octets on a port of SMB or Kerberos are no message, or a message began before the capture did.',
    remedy: 'Usual once a connection; if it goes on, find out what else uses the port.',
    lost: 'octets up to the next message that is recognised',
  },
  RPC_SHORT: {
    text: 'An SMB, DCERPC or Kerberos message ends before the fields it must have.',
    remedy: 'Look at the sender, or capture whole frames.',
    lost: 'the rest of the message',
  },
};
