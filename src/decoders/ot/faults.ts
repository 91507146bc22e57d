import type { FaultTable } from '#events';

export const faults: FaultTable = {
  OT_LOST: {
    text: 'Octets on a plant port are no message of its protocol, or a message began before the capture did.',
    remedy: 'Usual once a connection; if it goes on, find out what else uses the port.',
    lost: 'octets up to the next message that is recognised',
  },
  OT_SHORT: {
    text: 'A plant message ends before the fields it must have.',
    remedy: 'Look at the sender: a fuzzer, a fault, or a capture cut short.',
    lost: 'the rest of the message',
  },
  OT_LONG: {
    text: 'A message in several data units is longer than is put together.',
    remedy: 'Look at the sender.',
    lost: 'the message',
  },
  OT_UNKNOWN: {
    text: 'A message on the ISO transport port is neither S7 nor MMS as they are known.',
    remedy: 'Nothing, if the site knows the protocol; else look at the sender.',
    lost: 'the message',
  },
  DNP3_CRC: {
    text: 'A DNP3 frame has a checksum that is wrong (IEEE 1815, 9.2.4).',
    remedy:
      'Look at the sender: a terminal server hands on the noise of its serial line, one frame in thousands; more were made or damaged on purpose.',
    lost: 'the frame',
  },
  DNP3_FUNCTION: {
    text: 'A DNP3 message asks for a function that there is not (IEEE 1815, 4.2.2.1).',
    remedy: 'Look at the sender: a fuzzer, or a device with functions of its own.',
    lost: 'the message',
  },
  DNP3_SEGMENT: {
    text: 'A DNP3 transport segment follows none that it could (IEEE 1815, 8.2).',
    remedy: 'Look for dropped packets; usual once where the capture began in the middle.',
    lost: 'the fragment',
  },
  DNP3_LONG: {
    text: 'A DNP3 fragment is longer than 4,096 octets.',
    remedy: 'Look at the sender.',
    lost: 'the fragment',
  },
  GOOSE_PDU: {
    text: 'A GOOSE frame has no state and sequence number where they must be.',
    remedy: 'Look at the publisher, or capture whole frames.',
    lost: 'the message',
  },
};
