import type { FaultTable } from '#events';

export const faults: FaultTable = {
  LINK_TRUNCATED: {
    text: 'A frame ends inside a link-layer or tunnel header.',
    remedy: 'Capture with a longer snap length.',
    lost: 'that frame, or what the tunnel holds',
  },
  LINK_TYPE: {
    text: 'The capture has a link type that is not decoded.',
    remedy: 'Capture on an Ethernet, PPP, cooked or raw IP interface.',
    lost: 'those frames',
  },
  LINK_TAGS: {
    text: 'A frame has more than eight VLAN tags, MPLS labels and headers like them.',
    remedy: 'Look at where it comes from: no network needs that.',
    lost: 'that frame',
  },
  LINK_NESTING: {
    text: 'A frame has more than eight IP headers inside each other, or one tunnel inside itself.',
    remedy: 'Look for a routing loop through a tunnel at its two ends.',
    lost: 'what the innermost tunnel holds; the packet around it is read',
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
  IP_FRAGMENT_LENGTH: {
    text: 'A fragment has no data, an end that fragments may not have, or one that contradicts the others (teardrop, ping of death).',
    remedy: 'Look at the sender: old attacks on hosts, and ways round inspection, do this.',
    lost: 'its place in the datagram; it is read by itself',
  },
  IP_FRAGMENT_OVERLAP: {
    text: 'A fragment overlaps others of its datagram.',
    remedy: 'Look at the sender: no honest one does this, but ways round inspection do.',
    lost: 'for IPv4 the bytes that came later, for IPv6 the datagram',
  },
  IP_EXTENSIONS: {
    text: 'An IPv6 packet has more than ten extension headers.',
    remedy: 'Look at the frame: no honest sender does this.',
    lost: 'that packet',
  },
};
