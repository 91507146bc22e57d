// Cisco Umbrella, DNS logs in CSV: one line a query, answered. Columns by place (timestamp, granular identity, identities, internal
// address, external address, action, type, response code, domain, categories...); later columns differ between log versions.
import { dnsRcode, emptyEntry } from '../lines/index.ts';
import type { Grammar, Log, LogFormat } from './format.ts';

export const umbrella: LogFormat = {
  name: 'umbrella',
  reads: 'Cisco Umbrella DNS logs (CSV)',
  doesNotTell: [
    'ports, message ids, sizes, transport and header flags',
    'answers, beyond their rcode',
    'parts of a second',
    'clients behind a network without the virtual appliance or roaming client: there the address is the network',
  ],
  mark: /^"?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"?, ?"[^\n]*, ?"?\d{1,5} \([A-Z0-9-]+\)"?,/m,
  create: () => new UmbrellaLines(),
};

const COLUMNS = { internal: 3, external: 4, type: 6, rcode: 7, domain: 8 } as const;
const cell = / *(?:"((?:[^"]|"")*)"|([^,]*))(?:,|$)/y;

class UmbrellaLines implements Grammar {
  read(text: string, _from: number, log: Log): string {
    const cells: string[] = [];
    cell.lastIndex = 0;
    while (cells.length <= COLUMNS.domain) {
      const found = cell.lastIndex < text.length ? cell.exec(text) : null;
      if (found === null) return /^"?timestamp/i.test(text) ? '' : 'RESOLVER_LINE';
      cells.push(found[1] ?? found[2] ?? '');
    }
    log.stamps.read(cells[0]!);
    if (!log.stamps.isTold) return /^"?timestamp/i.test(text) ? '' : 'RESOLVER_LINE';
    const entry = emptyEntry();
    entry.client = cells[COLUMNS.internal] || cells[COLUMNS.external]!;
    entry.name = cells[COLUMNS.domain]!;
    entry.isResponse = true;
    entry.rcode = dnsRcode(cells[COLUMNS.rcode]!);
    entry.flags = 0x8000;
    return log.add(entry, cells[COLUMNS.type]!);
  }
}
