// Cisco Umbrella's DNS log as CSV: identities with commas inside quotes, type as `1 (A)`, a final dot, whole seconds. The
// service sees what it answers; what it never answered is not there.
import type { LogFormat } from './format.ts';
import { dateAndClock, ipText, nameText, rcodeText, typeText } from './text.ts';

export const umbrella: LogFormat = {
  file: 'umbrella.csv',
  head: () => '',
  query: () => '',
  response: (e) => {
    const [date, clock] = dateAndClock(e.answeredAtMicros);
    const who = `Riverton-${ipText(e.client)}`;
    const name = nameText(e.name, 0, 'master').replaceAll('"', '""');
    const cells = [
      `${date} ${clock}`,
      who,
      `${who},Default Site,Riverton-Network`,
      ipText(e.client),
      '203.0.113.9',
      'Allowed',
      `${e.qtype} (${typeText(e.qtype)})`,
      rcodeText(e.rcode),
      `${name}.`,
      'Uncategorized',
      'Internal Networks',
      'Internal Networks,Sites,Networks',
      '',
    ];
    return `${cells.map((c) => `"${c}"`).join(',')}\n`;
  },
};
