// Infoblox NIOS syslog: BIND's query line, and the response line with all records parted by ';'. The syslog stamp has no
// year; the inner one has, and milliseconds.

import { bindQuery } from './bind.ts';
import type { LogFormat } from './format.ts';
import { bindTime, ipText, masterText, nameText, ownersOf, rcodeText, syslogTime, typeText } from './text.ts';

const named = 'infoblox.localdomain named[11042]:';

export const infoblox: LogFormat = {
  file: 'infoblox.log',
  head: () => '',
  query: (e) => `<30>${syslogTime(e.atMicros)} ${named} queries: ${bindQuery(e)}\n`,
  response: (e) => {
    const name = nameText(e.name, 0, 'master');
    const flags = `+${e.udpBytesMax > 0 ? 'E' : ''}${e.dnssecOk ? 'D' : ''}`;
    const owners = ownersOf(name, e.answers, 'master');
    const records = e.answers.map(
      (a, i) =>
        ` ${owners[i]}. ${Math.max(0, a.ttlSeconds - e.ageSeconds)} IN ${typeText(a.type)} ${masterText(a).replaceAll(';', '\\;')};`,
    );
    const at = e.answeredAtMicros;
    return `<30>${syslogTime(at)} ${named} infoblox-responses: ${bindTime(at)} client ${ipText(e.client)}#${e.clientPort}: UDP: query: ${name} IN ${typeText(e.qtype)} response: ${rcodeText(e.rcode)} ${flags}${records.join('')}\n`;
  },
};
