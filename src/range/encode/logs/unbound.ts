// Unbound with log-queries and log-replies: stamps in whole seconds; replies add RCODE, seconds, cached and size.

import type { LogFormat } from './format.ts';
import { responseBytes } from './size.ts';
import { epoch, ipText, nameText, rcodeText, seconds, typeText } from './text.ts';

export const unbound: LogFormat = {
  file: 'unbound.log',
  head: (from) => `[${epoch(from, 0)}] unbound[25559:0] info: start of service (unbound 1.17.1).\n`,
  query: (e) => `[${epoch(e.atMicros, 0)}] unbound[25559:0] info: ${question(e)}\n`,
  response: (e) => {
    const took = e.cached ? '0.000000' : seconds(e.answeredAtMicros - e.atMicros);
    return `[${epoch(e.answeredAtMicros, 0)}] unbound[25559:0] info: ${question(e)} ${rcodeText(e.rcode)} ${took} ${e.cached ? 1 : 0} ${responseBytes(e)}\n`;
  },
};

function question(e: Parameters<LogFormat['query']>[0]): string {
  const name = nameText(e.name, 0, 'unbound');
  return `${ipText(e.client)} ${name === '.' ? name : `${name}.`} ${typeText(e.qtype)} IN`;
}
