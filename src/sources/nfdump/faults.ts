import type { FaultTable } from '#events';

export const nfdumpFaults: FaultTable = {
  NFDUMP_HEADER: {
    text: 'A row comes before the line that names the columns.',
    remedy: 'Print without -q, or keep the first line with the rows.',
    lost: 'the row',
  },
  NFDUMP_COLUMNS: {
    text: 'A header lacks a column that a flow needs: addresses, ports, protocol, packets, octets, or any time.',
    remedy: 'Print with -o csv, or name %tsr,%td,%pr,%sa,%sp,%da,%dp,%flg,%pkt,%byt in -o csv:.',
    lost: 'the rows under it',
  },
  NFDUMP_CELLS: {
    text: 'A row has fewer cells than the header has columns.',
    remedy: 'Usual for a file copied while it was written; else look at what shortened it.',
    lost: 'the row',
  },
  NFDUMP_TIME: { text: 'A row has no time, or one that is none.', remedy: 'Look at the row.', lost: 'the row' },
  NFDUMP_ADDRESS: {
    text: 'A row has an address that is none.',
    remedy: 'Print addresses as they are: names and shortened IPv6 addresses can not be read.',
    lost: 'the row',
  },
  NFDUMP_PROTOCOL: {
    text: 'A row has a protocol that is not known, or none: it sums up flows of several.',
    remedy: 'Print flows, or aggregate by -a, -b or -B and not by -A without proto, srcport and dstport.',
    lost: 'the row',
  },
  NFDUMP_FIELD: {
    text: 'A row has a port or a count that is none.',
    remedy: 'Print plain numbers (-N), and look at the row.',
    lost: 'the row',
  },
  NFDUMP_LINE_LENGTH: { text: 'A line is longer than 1 MiB.', remedy: 'Look at the line.', lost: 'the line' },
};
