import type { FaultTable } from '#events';

/** Faults of files of export datagrams. */
export const netflowFaults: FaultTable = {
  NETFLOW_FILE_CUT: {
    text: 'A file of export datagrams ends inside one of them.',
    remedy: 'Usual for a file that is still written; what came before is sound.',
    lost: 'the end of the last datagram',
  },
  NETFLOW_FILE_DATAGRAM: {
    text: 'What stands in a file of export datagrams is not the beginning of one.',
    remedy: 'The file is damaged from here on; write it anew, or capture with tcpdump instead.',
    lost: 'the rest of the file',
  },
};

/** Faults of listening. */
export const netflowListenFaults: FaultTable = {
  NETFLOW_ADDRESS: {
    text: 'The address to listen on is not understood or not there.',
    remedy: 'Give host:port, or [host]:port, with an address of this machine.',
    lost: 'all that the exporters say',
  },
  NETFLOW_IN_USE: {
    text: 'Another process listens there.',
    remedy: 'Stop it, or give each its own port.',
    lost: 'all that the exporters say',
  },
  NETFLOW_NOT_PERMITTED: {
    text: 'This user may not listen there.',
    remedy: 'Use a port above 1023.',
    lost: 'all that the exporters say',
  },
  NETFLOW_SOCKET: {
    text: 'The socket failed while it listened.',
    remedy: 'See the state of the interface; start the sensor again.',
    lost: 'what was sent meanwhile',
  },
  NETFLOW_SHED: {
    text: 'Datagrams came faster than they were taken, and the queue was full.',
    remedy: 'Give this sensor more processor, or let exporters sample.',
    lost: 'the datagrams dropped, so that counts of these networks are too low',
  },
};
