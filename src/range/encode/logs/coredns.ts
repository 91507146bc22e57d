// CoreDNS `log` plugin in its common form behind an RFC 3339 stamp: one line an answer, names in lower case.

import type { LogFormat } from './format.ts';
import { queryBytes, responseBytes } from './size.ts';
import { dateAndClock, ipText, nameText, rcodeText, typeText } from './text.ts';

export const coredns: LogFormat = {
  file: 'coredns.log',
  head: () => '',
  query: () => '',
  response: (e) => {
    const at = e.answeredAtMicros;
    const [date, clock] = dateAndClock(at);
    const millis = String(Math.floor((at % 1e6) / 1000)).padStart(3, '0');
    const name = nameText(e.name, 0, 'master').toLowerCase();
    const took = ((at - e.atMicros) / 1e6).toFixed(9);
    const buffer = e.udpBytesMax > 0 ? e.udpBytesMax : 512;
    const flags = `qr,rd,ra${e.authentic ? ',ad' : ''}`;
    return `${date}T${clock}.${millis}Z [INFO] ${ipText(e.client)}:${e.clientPort} - ${e.id} "${typeText(e.qtype)} IN ${name}. udp ${queryBytes(e)} ${e.dnssecOk} ${buffer}" ${rcodeText(e.rcode)} ${flags} ${responseBytes(e)} ${took}s\n`;
  },
};
