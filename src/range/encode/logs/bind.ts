// BIND 9 query log with category and severity: questions only, flags `+` RD, `E(0)` EDNS, `D` DO; owner names keep their case.
import type { Exchange } from '../../worlds/dns/exchange.ts';
import type { LogFormat } from './format.ts';
import { bindTime, ipText, nameText, typeText } from './text.ts';

export const bind: LogFormat = {
  file: 'bind-query.log',
  head: () => '',
  query: (e) => `${bindTime(e.atMicros)} queries: info: ${bindQuery(e)}\n`,
  response: () => '',
};

/** The text behind the category; Infoblox NIOS, which is BIND, writes it too. */
export function bindQuery(e: Exchange): string {
  const name = nameText(e.name, 0, 'master');
  const flags = `+${e.udpBytesMax > 0 ? 'E(0)' : ''}${e.dnssecOk ? 'D' : ''}`;
  const object = (0x7f13c0000000 + (e.client % 4096) * 4096 + 0x98).toString(16);
  return `client @0x${object} ${ipText(e.client)}#${e.clientPort} (${name}): query: ${name} IN ${typeText(e.qtype)} ${flags} (${ipText(e.resolver)})`;
}
