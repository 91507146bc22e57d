// PowerDNS Recursor's structured log (quiet=no): a Question and an Answer line, values in quotes with `\` doubled.
import type { Exchange } from '../../worlds/dns/exchange.ts';
import type { LogFormat } from './format.ts';
import { epoch, ipText, nameText, syslogTime, typeText } from './text.ts';

export const pdns: LogFormat = {
  file: 'pdns.log',
  head: () => '',
  query: (e) =>
    `${lead(e.atMicros, 'Question')} ecs="" mtid="${e.number}" proto="udp" ${asked(e)} remote="${remote(e)}"\n`,
  response: (e) => {
    const took = (e.answeredAtMicros - e.atMicros) / 1000;
    const net = e.cached ? 0 : took * 0.9;
    return `${lead(e.answeredAtMicros, 'Answer')} additional="${e.udpBytesMax > 0 ? 1 : 0}" answers="${e.answers.length}" dotout="0" ecs="" mtid="${e.number}" netms="${net.toFixed(6)}" outqueries="${e.cached ? 0 : 1}" proto="udp" ${asked(e)} rcode="${e.rcode}" rd="1" remote="${remote(e)}" tcpout="0" throttled="0" timeouts="0" totms="${took.toFixed(6)}" validationState="${e.authentic ? 'Secure' : 'Indeterminate'}"\n`;
  },
};

function lead(at: number, what: string): string {
  return `${syslogTime(at)} msg="${what}" subsystem="syncres" level="0" prio="Info" tid="1" ts="${epoch(at, 3)}"`;
}
function asked(e: Exchange): string {
  const name = nameText(e.name, 0, 'master').replaceAll('\\', '\\\\').replaceAll('"', '\\"');
  return `qname="${name}" qtype="${typeText(e.qtype)}"`;
}
function remote(e: Exchange): string {
  return `${ipText(e.client)}:${e.clientPort}`;
}
