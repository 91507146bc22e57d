// NetFlow v5 and v9 (RFC 3954), IPFIX (RFC 7011, 7012, 5103) and sFlow v5 out of UDP payloads, into flows. The datagrams come
// from a capture, or from a collector's socket or file (sources/netflow). Left out: IPFIX over TCP and SCTP, structured data
// (RFC 6313, passed over by its length), counters of interfaces.
import { type Decoder, type EventBatch, type Origin, PacketBatch, type Sink } from '#events';
import type { DecoderKind, DecoderOptions } from '../contract.ts';
import { Conversations } from './conversations.ts';
import { Datagrams, type RecordsOut } from './datagrams.ts';
import { DOMAINS_MAX, type Domain } from './domain.ts';
import { faults } from './faults.ts';
import type { Datagram, FlowRecord } from './record.ts';
import { Untold } from './untold.ts';

/** How often sets that wait for their template are looked at. */
const EXPIRE_MICROS = 300e6;

export const netflow: DecoderKind = {
  card: {
    name: 'netflow',
    takes: ['packet'],
    gives: ['flow'],
    recognisedBy: 'UDP ports 2055, 9995, 4739 and 6343; elsewhere by lengths that add up to the datagram',
    limits: `${DOMAINS_MAX} exporters' domains, 512 templates and 64 waiting sets each (8 MiB in all), 1048576 flows`,
    faults,
  },
  create: (options) => new NetflowDecoder(options),
};

class NetflowDecoder implements Decoder, RecordsOut {
  readonly card = netflow.card;
  readonly #datagrams: Datagrams;
  readonly #flows = new Conversations();
  readonly #untold = new Untold();
  #sink: Sink | undefined;
  #expiredAt = Number.NEGATIVE_INFINITY;

  constructor(options: DecoderOptions = {}) {
    this.#datagrams = new Datagrams(this, (words, at) => options.samplingOf?.(words, at) ?? 0);
  }

  get shed(): number {
    return this.#flows.shed + this.#datagrams.shed;
  }

  decode(batch: EventBatch, sink: Sink): void {
    if (!(batch instanceof PacketBatch)) return;
    this.#sink = sink;
    this.#datagrams.read(batch);
    this.#flows.flush(sink);
    this.#sink = undefined;
  }

  record(record: FlowRecord, exporter: number, d: Datagram): void {
    this.#flows.take(record, exporter, d, this.#sink!);
  }

  samplingUntold(domain: Domain): void {
    this.#untold.note(domain, this.#sink!);
  }

  fault(code: string, origin: Origin, place: number, offset: number): void {
    this.#sink!.fault(code, origin, place, offset);
  }

  advance(to: number, sink: Sink): void {
    this.#flows.advance(to, sink);
    if (to - this.#expiredAt < EXPIRE_MICROS) return;
    this.#expiredAt = to;
    this.#expire(to, sink);
  }

  end(sink: Sink): void {
    this.#expire(Number.POSITIVE_INFINITY, sink);
    this.#flows.end(sink);
  }

  #expire(to: number, sink: Sink): void {
    this.#sink = sink;
    this.#datagrams.expire(to);
    this.#sink = undefined;
  }
}
