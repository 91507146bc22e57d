// What of the city's name look-ups can't be read, and with whom: sums over all clients.
import type { Coverage } from '#findings';
import type { Protocol } from './client.ts';

const SERVERS_MAX = 32;
const SHOWN = 4;

interface Sum {
  count: number;
  clients: number;
  servers: [string, number][];
}

export class Sums {
  byProtocol: Record<string, Sum> = {};
  /** Clients that speak to addresses no answer named. */
  blindClients = 0;
  blindPeers = 0;
  dirty = false;

  add(protocol: Protocol, to: string, isNewClient: boolean): void {
    const sum = (this.byProtocol[protocol] ??= { count: 0, clients: 0, servers: [] });
    sum.count += 1;
    if (isNewClient) sum.clients += 1;
    const server = sum.servers.find((s) => s[0] === to);
    if (server !== undefined) server[1] += 1;
    else if (sum.servers.length < SERVERS_MAX) sum.servers.push([to, 1]);
    this.dirty = true;
  }

  list(): Coverage[] {
    const out: Coverage[] = [];
    const hidden = ['DoT', 'DoQ', 'DoH', 'DNSCrypt'].filter((p) => this.byProtocol[p] !== undefined);
    const hints = this.byProtocol.hint;
    if (hidden.length > 0)
      out.push({
        kind: 'coverage',
        plane: 'dns',
        what: 'encrypted-dns',
        count: hidden.reduce((n, p) => n + this.byProtocol[p]!.count, 0),
        text: `names asked where nobody reads along: ${hidden.map((p) => this.#text(p)).join('; ')}`,
      });
    if (hints !== undefined)
      out.push({
        kind: 'coverage',
        plane: 'dns',
        what: 'encrypted-dns-hints',
        count: hints.count,
        text: `look-ups on the way to encrypted DNS: ${this.#text('hint')}`,
      });
    const plain = this.byProtocol.plain;
    if (plain !== undefined)
      out.push({
        kind: 'coverage',
        plane: 'dns',
        what: 'foreign-resolvers',
        count: plain.count,
        text: `questions to resolvers that city.yaml does not name: ${this.#text('plain')}`,
      });
    if (this.blindClients > 0)
      out.push({
        kind: 'coverage',
        plane: 'dns',
        what: 'unnamed-addresses',
        count: this.blindPeers,
        text: `${this.blindClients} clients speak to addresses that no answer named and ask for names no more`,
      });
    return out;
  }

  #text(protocol: string): string {
    const sum = this.byProtocol[protocol]!;
    const top = [...sum.servers].sort((a, b) => b[1] - a[1]).slice(0, SHOWN);
    const more = sum.servers.length > SHOWN ? ' and others' : '';
    const label = protocol === 'hint' || protocol === 'plain' ? '' : `${protocol} `;
    return `${label}${sum.count} times by ${sum.clients} ${sum.clients === 1 ? 'client' : 'clients'} (${top.map(([to, n]) => `${to}: ${n}`).join(', ')}${more})`;
  }
}
