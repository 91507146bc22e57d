import type { FaultTable } from '#events';

export const faults: FaultTable = {
  LINK_TRUNCATED: {
    text: 'A frame ends inside its link-layer header.',
    remedy: 'Capture with a longer snap length.',
    lost: 'that frame',
  },
  LINK_TYPE: {
    text: 'The capture has a link type that is not decoded.',
    remedy: 'Capture on an Ethernet, cooked or raw IP interface.',
    lost: 'those frames',
  },
  LINK_TAGS: {
    text: 'A frame has more than eight VLAN tags.',
    remedy: 'Look at where it comes from: no network needs that.',
    lost: 'that frame',
  },
  IP_TRUNCATED: {
    text: 'A frame ends inside its IP or transport header.',
    remedy: 'Capture with a longer snap length.',
    lost: 'that packet',
  },
  IP_VERSION: {
    text: 'An IP header has a version other than 4 or 6.',
    remedy: 'Look at the frame: the sender or the capture is broken.',
    lost: 'that packet',
  },
  IP_LENGTH: {
    text: 'An IP or transport length field contradicts the header lengths.',
    remedy: 'Look at the frame: the sender is broken or tries something.',
    lost: 'that packet',
  },
  IP_EXTENSIONS: {
    text: 'An IPv6 packet has more than ten extension headers.',
    remedy: 'Look at the frame: no honest sender does this.',
    lost: 'that packet',
  },
};
