// Connection lists as RITA v5 keeps them, from closed flow rows and the names that rows opened with: one a pair of addresses, one
// a source and a name. Held whole: for a record of a day or so, by hand and in tests, not for a sensor.
import { type FlowBatch, FlowPhase, formatAddress, parseAddress } from '#events';
import { isGroupAddress } from '#lib/address';
import { isCounted, type RitaScore, type RitaWindow, ritaScore, STROBE, windowOf } from './rita.ts';

const CONNECTIONS_MAX = 2_000_000;

/** RITA's own ranges where none are named: RFC 1918 and fd00::/8. */
export const ritaInside = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fd00::/8'];

export interface RitaRow {
  readonly kind: 'ip' | 'sni';
  readonly source: string;
  readonly place: string;
  readonly connections: number;
  /** `strobe` where there are a day's seconds of connections: never a beacon. */
  readonly told: RitaScore | 'strobe' | 'too few';
}
export interface RitaOutcome {
  readonly window: RitaWindow | undefined;
  /** Highest score first. */
  readonly rows: readonly RitaRow[];
  readonly kept: number;
  /** Why connections were left out, and how many. */
  readonly leftOut: Readonly<Record<'inside' | 'outside' | 'inward' | 'capacity', number>>;
  /** A sentence where nothing could be analysed: an empty table alone would read as a clean network. */
  readonly why: string;
}

interface Connection {
  readonly start: number;
  readonly size: number;
  readonly source: string;
  readonly place: string;
  readonly from: boolean;
  readonly to: boolean;
  readonly flow: number;
}

export class RitaRecord {
  readonly #ranges: readonly { words: Uint32Array; bits: number }[];
  readonly #connections = new Map<string, Connection>();
  readonly #names = new Map<number, string>();
  #capacity = 0;
  readonly #keepInward: boolean;

  /** @param keepInward connections from outside to inside count too, as for a server that is watched alone */
  constructor(inside: readonly string[] = ritaInside, keepInward = false) {
    this.#keepInward = keepInward;
    this.#ranges = inside.map((cidr) => {
      const [ip = '', length] = cidr.split('/');
      const words = new Uint32Array(4);
      if (!parseAddress(ip, words, 0)) throw new RangeError(`not an address range: ${cidr}`);
      const own = ip.includes(':') ? 128 : 32;
      return { words, bits: Number(length ?? own) + (128 - own) };
    });
  }

  observe(batch: FlowBatch): void {
    for (let i = 0; i < batch.count; i++) {
      const flow = batch.flow[i]!;
      const from = batch.nameOffset[i]!;
      const name = Buffer.from(batch.bytes.buffer, batch.bytes.byteOffset + from, batch.nameBytes[i]!).toString(
        'latin1',
      );
      if (name !== '' && this.#names.size < CONNECTIONS_MAX) this.#names.set(flow, name);
      // Nobody answers as a group, so RITA keeps no connection to one.
      if (batch.phase[i] !== FlowPhase.Close || isGroupAddress(batch.addresses, 8 * i + 4)) continue;
      if (this.#connections.size >= CONNECTIONS_MAX) {
        this.#capacity += 1;
        continue;
      }
      this.#connections.set(`${batch.origin.file} ${flow}`, {
        start: Math.floor(batch.firstAt[i]! / 1e6),
        size: batch.originatorIpBytes[i]!,
        source: formatAddress(batch.addresses, 8 * i),
        place: formatAddress(batch.addresses, 8 * i + 4),
        from: this.#isInside(batch.addresses, 8 * i),
        to: this.#isInside(batch.addresses, 8 * i + 4),
        flow,
      });
    }
  }

  #isInside(words: Uint32Array, at: number): boolean {
    return this.#ranges.some(({ words: range, bits }) => {
      for (let k = 0; k < 4; k++) {
        const own = Math.min(32, Math.max(0, bits - 32 * k));
        const mask = own === 0 ? 0 : (0xffffffff << (32 - own)) >>> 0;
        if (((words[at + k]! ^ range[k]!) & mask) !== 0) return false;
      }
      return true;
    });
  }

  score(): RitaOutcome {
    const leftOut = { inside: 0, outside: 0, inward: 0, capacity: this.#capacity };
    const kept: { c: Connection; name: string; ip: boolean }[] = [];
    let oldest = Number.POSITIVE_INFINITY;
    let newest = Number.NEGATIVE_INFINITY;
    for (const c of this.#connections.values()) {
      const name = this.#names.get(c.flow) ?? '';
      // A name asked of an inside proxy is a place outside, whatever the proxy's address.
      const viaProxy = c.from && c.to && name !== '';
      if (!c.from && !(this.#keepInward && c.to)) leftOut[c.to ? 'inward' : 'outside'] += 1;
      else if (c.from && c.to && !viaProxy) leftOut.inside += 1;
      else {
        kept.push({ c, name, ip: !viaProxy });
        oldest = Math.min(oldest, c.start);
        newest = Math.max(newest, c.start);
      }
    }
    if (kept.length === 0)
      return { window: undefined, rows: [], kept: 0, leftOut, why: whyNothing(this.#connections.size, leftOut) };
    const window = windowOf(oldest, newest);
    const lists = new Map<
      string,
      { kind: 'ip' | 'sni'; c: Connection; place: string; starts: number[]; sizes: number[] }
    >();
    const add = (kind: 'ip' | 'sni', c: Connection, place: string): void => {
      const key = `${kind} ${c.source} ${place}`;
      let list = lists.get(key);
      if (list === undefined) lists.set(key, (list = { kind, c, place, starts: [], sizes: [] }));
      if (!isCounted(c.start, window)) return;
      list.starts.push(c.start);
      list.sizes.push(c.size);
    };
    for (const { c, name, ip } of kept) {
      if (ip) add('ip', c, c.place);
      if (name !== '') add('sni', c, name);
    }
    const rows = [...lists.values()].map(({ kind, c, place, starts, sizes }): RitaRow => {
      const told = starts.length >= STROBE ? 'strobe' : (ritaScore({ starts, sizes }, window) ?? 'too few');
      return { kind, source: c.source, place, connections: starts.length, told };
    });
    const worth = (r: RitaRow): number => (typeof r.told === 'string' ? 0 : r.told.score);
    rows.sort((a, b) => worth(b) - worth(a) || (a.source + a.place < b.source + b.place ? -1 : 1));
    return { window, rows, kept: kept.length, leftOut, why: '' };
  }
}

function whyNothing(all: number, out: Record<string, number>): string {
  if (all === 0) return 'Nothing was analysed: there is no connection in the record.';
  return `Nothing was analysed: of ${all} connections ${out.outside} run between two outside addresses, ${out.inside} stay inside and ${out.inward} come in from outside; none goes out from an address that counts as inside. Name the networks that are yours.`;
}
