import type { FaultTable } from '#events';

export const resolverFaults: FaultTable = {
  RESOLVER_LINE: {
    text: 'A line is not of the grammar of this log.',
    remedy: 'Usual for a line cut at a rotation; else look at what else writes to the file.',
    lost: 'the line',
  },
  RESOLVER_TIME: {
    text: 'A line has no time that can be read.',
    remedy: 'Let the server or what collects its output write the time before each line.',
    lost: 'when it was: the row has the time of the line before it',
  },
  RESOLVER_ADDRESS: { text: 'A client is not an address.', remedy: 'Look at the line.', lost: 'the line' },
  RESOLVER_NAME: { text: 'A question is not a domain name.', remedy: 'Look at the line.', lost: 'the line' },
  RESOLVER_NAME_HIDDEN: {
    text: 'A client asked for a name that the log does not tell.',
    remedy: 'Capture the traffic of this client, or log dnstap: names that do not print are how base128 tunnels look.',
    lost: 'the name: the row counts without one',
  },
  RESOLVER_TYPE: {
    text: 'A question has a type that has neither a known name nor a number.',
    remedy: 'Look at the line.',
    lost: 'the type: the row counts with type 0',
  },
  RESOLVER_LINE_LENGTH: { text: 'A line is longer than 1 MiB.', remedy: 'Look at the line.', lost: 'the line' },
};
