import type { FaultTable } from '#events';

export const faults: FaultTable = {
  SCTP_CHUNK_LENGTH: {
    text: 'An SCTP chunk says it is shorter than its header or longer than its packet.',
    remedy: 'Look at the frame: the sender or the capture length is broken.',
    lost: 'the rest of that packet',
  },
  SCTP_FRAGMENTS: {
    text: 'Fragments of an SCTP message were given up: too many, too large, or the rest never came.',
    remedy: 'Look for packet loss at the tap.',
    lost: 'those messages',
  },
  SCTP_IDATA: {
    text: 'A packet has I-DATA chunks (RFC 8260), which are not decoded.',
    remedy: 'Report it: no signalling peer was seen to use them.',
    lost: 'those messages',
  },
};
