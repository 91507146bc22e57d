import type { FaultTable } from '#events';

export const faults: FaultTable = {
  NETFLOW_TRUNCATED: {
    text: 'An export datagram ends inside its header, a set, a record or a sample.',
    remedy: 'Capture whole datagrams, and see that exporters stay below the MTU; else the exporter is at fault.',
    lost: 'the rest of that datagram',
  },
  NETFLOW_VERSION: {
    text: 'A datagram to a flow collector is neither NetFlow v5 or v9, IPFIX nor sFlow v5.',
    remedy: 'Let the exporter send one of these.',
    lost: 'that datagram',
  },
  NETFLOW_COUNT: {
    text: 'A NetFlow v5 header claims no record or more than the 30 that there can be, or a v9 header fewer records than there are sets.',
    remedy: 'The exporter is at fault, or it is no export at all.',
    lost: 'that datagram; in v9 the sets beyond the count',
  },
  NETFLOW_SET_LENGTH: {
    text: 'A set is shorter than its own header or runs beyond its message.',
    remedy: 'The exporter is at fault, or the datagram was cut.',
    lost: 'the rest of that datagram',
  },
  NETFLOW_TEMPLATE: {
    text: 'A template has an id below 256, no octets, more than 1024 fields, or runs beyond its set.',
    remedy: 'The exporter is at fault; ask its vendor.',
    lost: 'that template and what follows it in its set; data sent by it',
  },
  NETFLOW_TEMPLATE_MISSING: {
    text: 'Data came by a template that was never told, or not soon enough.',
    remedy: 'Let the exporter send templates more often (each minute), and see that its datagrams are not lost.',
    lost: 'the records of that set',
  },
  NETFLOW_TEMPLATES_FULL: {
    text: 'An exporter tells more than 512 templates in one observation domain, or all together more than there is room for; the oldest was given up.',
    remedy: 'Look at who sends: no device needs that many.',
    lost: 'data by the template that was given up, until it is told again',
  },
  NETFLOW_FIELD: {
    text: 'A field of variable length runs beyond its set.',
    remedy: 'The exporter is at fault; ask its vendor.',
    lost: 'the rest of that set',
  },
  NETFLOW_NO_FLOW: {
    text: 'Records of a template have no IP addresses in them (layer 2, or measurements only).',
    remedy: 'Nothing is wrong where the exporter tells other things than flows; else add the addresses to its record.',
    lost: 'those records',
  },
  NETFLOW_NO_COUNTS: {
    text: 'Records of a template tell neither packets nor octets (address translation logs, for example).',
    remedy: "Nothing is wrong where that is meant; else add packets and octets to the exporter's record.",
    lost: 'how much these flows carried: they count as contacts with nothing in them',
  },
  NETFLOW_NO_TIME: {
    text: 'Records of a template tell no time that can be read; the time of export stands in.',
    remedy: "Add start and end of the flow to the exporter's record.",
    lost: 'when those flows began, and how long they were',
  },
  NETFLOW_LOST: {
    text: 'The sequence numbers of an exporter have a gap: datagrams did not arrive.',
    remedy: 'Look for loss on the way, and at the receive buffer of the collector.',
    lost: 'the flows in them',
  },
  NETFLOW_RESTART: {
    text: 'An exporter began anew: its uptime went back. Its templates are learned again.',
    remedy: 'Find out why, if it was not you.',
    lost: 'nothing that is still to come',
  },
  NETFLOW_CLOCK: {
    text: 'The clock of an exporter is more than five minutes away from that of the capture.',
    remedy: 'Give the exporter a time server (NTP).',
    lost: 'the true times of its flows',
  },
  NETFLOW_EXPORTERS: {
    text: 'More than 1024 exporters and observation domains at once; the idlest was given up.',
    remedy: 'See who sends; give each group of exporters a sensor of its own.',
    lost: 'data of that one until its templates are told again',
  },
  SFLOW_HEADER: {
    text: 'The header of a packet in an sFlow sample or a packet section is cut or of no known kind.',
    remedy: 'Let the agent sample 128 octets of each packet, Ethernet or IP.',
    lost: 'that sample',
  },
};
