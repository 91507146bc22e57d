// EVE `flow` events to closed flows, and the name, fingerprint and certificate that `tls`, `quic` and `http` events tell to
// opened rows of the same flow number (flow_id) without counts, so that nothing counts twice.
import { createHash } from 'node:crypto';
import { FlowBatch, FlowPhase, FlowState, Service, serviceOf } from '#events';
import { parseAddress } from '#lib/address';
import { FlowTexts, type ProxyTarget, proxyTarget, type Ready, type Rows, TEXT_BYTES_MAX } from '../lines/index.ts';
import {
  countOf,
  type EveEvent,
  type EveKind,
  type EveMapping,
  eveTime,
  type Fields,
  isFields,
  textOf,
} from './event.ts';

const protocols: Readonly<Record<string, number>> = { TCP: 6, UDP: 17, ICMP: 1, 'IPv6-ICMP': 58, SCTP: 132 };
/** Services by Suricata's app_proto. */
const services: Readonly<Record<string, number>> = {
  tls: Service.Tls,
  http: Service.Http,
  http2: Service.Http,
  smb: Service.Smb,
  dcerpc: Service.Dcerpc,
  ssh: Service.Ssh,
  rdp: Service.Rdp,
  mqtt: Service.Mqtt,
  modbus: Service.Modbus,
  dns: Service.Dns,
  dnp3: Service.Dnp3,
  krb5: Service.Kerberos,
  quic: Service.Quic,
};
const Flag = { Fin: 1, Syn: 2, Rst: 4 } as const;
/** Suricata counts whole frames. */
const ETHERNET_BYTES = 14;
/** Network and transport header without options, by protocol; what is left of a frame is taken for payload. */
const headerBytes = (protocol: number, isV6: boolean): number => (isV6 ? 40 : 20) + (protocol === 6 ? 20 : 8);
const COUNT_MAX = Number.MAX_SAFE_INTEGER;

export const flowEvents: EveKind = { eventType: 'flow', create: () => new FlowMapping() };
export const tlsEvents: EveKind = { eventType: 'tls', create: () => new NameMapping('tls', 'sni', Service.Tls) };
export const quicEvents: EveKind = { eventType: 'quic', create: () => new NameMapping('quic', 'sni', Service.Quic) };
export const httpEvents: EveKind = {
  eventType: 'http',
  create: () => new NameMapping('http', 'hostname', Service.Http),
};

interface Value {
  readonly fields: Fields;
  /** The event's own object. */
  readonly own: Fields;
  readonly name: string;
  readonly ja4: string;
  /** DER in base64, which Suricata writes where it is told to. */
  readonly certificate: string;
  /** Where a proxy was asked to go. */
  readonly target: ProxyTarget | undefined;
  readonly service: number;
}

class FlowRows implements Rows<Value> {
  readonly batch = new FlowBatch();
  readonly #texts = new FlowTexts(this.batch, TEXT_BYTES_MAX);

  clear(): void {
    this.batch.count = 0;
    this.#texts.clear();
  }

  add(v: Value, at: number, line: number): string {
    const b = this.batch;
    const i = b.count;
    const { fields, own } = v;
    if (!parseAddress(textOf(fields.src_ip), b.addresses, 8 * i)) return 'EVE_ADDRESS';
    if (!parseAddress(textOf(fields.dest_ip), b.addresses, 8 * i + 4)) return 'EVE_ADDRESS';
    const isFlow = v.name === '' && own.start !== undefined;
    const start = eveTime(own.start);
    const end = eveTime(own.end);
    b.place[i] = line;
    b.lastPlace[i] = line;
    b.flow[i] = countOf(fields.flow_id, COUNT_MAX) % 2 ** 52;
    b.firstAt[i] = Number.isNaN(start) ? at : start;
    b.lastAt[i] = Number.isNaN(end) ? at : Math.max(end, b.firstAt[i]!);
    // The line is written when the flow is over: that is when anyone could know.
    b.at[i] = at;
    b.phase[i] = isFlow ? FlowPhase.Close : FlowPhase.Open;
    b.originatorPort[i] = countOf(fields.src_port, 65_535);
    b.responderPort[i] = countOf(fields.dest_port, 65_535);
    const protocol = protocols[textOf(fields.proto)] ?? 0;
    b.protocol[i] = protocol;
    b.service[i] = serviceOf(v.service, b.responderPort[i]!, protocol);
    b.samplingRate[i] = 1;
    const header = headerBytes(protocol, textOf(fields.src_ip).includes(':'));
    for (const [way, packets, bytes, payload, delta] of [
      ['toserver', b.originatorPackets, b.originatorIpBytes, b.originatorPayloadBytes, b.originatorPayloadDelta],
      ['toclient', b.responderPackets, b.responderIpBytes, b.responderPayloadBytes, b.responderPayloadDelta],
    ] as const) {
      const n = isFlow ? countOf(own[`pkts_${way}`], COUNT_MAX) : 0;
      const octets = isFlow ? countOf(own[`bytes_${way}`], COUNT_MAX) : 0;
      packets[i] = n;
      bytes[i] = Math.max(0, octets - n * ETHERNET_BYTES);
      payload[i] = Math.max(0, octets - n * (ETHERNET_BYTES + header));
      delta[i] = payload[i]!;
    }
    b.state[i] = isFlow ? stateOf(protocol, fields.tcp, b.responderPackets[i]! > 0) : FlowState.OTH;
    this.#texts.none(i);
    this.#texts.name(i, v.target?.name ?? v.name);
    this.#texts.ja4(i, v.ja4);
    if (v.certificate !== '')
      this.#texts.certificate(i, createHash('sha256').update(v.certificate, 'base64').digest('hex'));
    b.targetPort[i] = v.target?.port ?? 0;
    b.count = i + 1;
    return '';
  }
}

/** Zeek's states from the flags that each side sent. */
function stateOf(protocol: number, tcp: unknown, isAnswered: boolean): number {
  if (protocol !== 6) return isAnswered ? FlowState.SF : FlowState.S0;
  if (!isFields(tcp)) return FlowState.OTH;
  const flags = (key: string): number => Number.parseInt(textOf(tcp[key]) || '0', 16) || 0;
  const up = flags('tcp_flags_ts');
  const down = flags('tcp_flags_tc');
  if ((up & Flag.Syn) === 0) return FlowState.OTH;
  if ((down & Flag.Syn) === 0) {
    if ((down & Flag.Rst) !== 0) return FlowState.REJ;
    if ((up & Flag.Rst) !== 0) return FlowState.RSTOS0;
    return (up & Flag.Fin) !== 0 ? FlowState.SH : FlowState.S0;
  }
  if ((up & Flag.Rst) !== 0) return FlowState.RSTO;
  if ((down & Flag.Rst) !== 0) return FlowState.RSTR;
  const fins = (up & Flag.Fin) + 2 * (down & Flag.Fin);
  return [FlowState.S1, FlowState.S2, FlowState.S3, FlowState.SF][fins]!;
}

class FlowMapping implements EveMapping {
  readonly #rows = new FlowRows();

  read(event: EveEvent, out: Ready[]): string {
    const own = event.fields.flow;
    if (!isFields(own) || own.start === undefined) return 'EVE_FIELD';
    const value: Value = {
      fields: event.fields,
      own,
      name: '',
      ja4: '',
      certificate: '',
      target: undefined,
      service: services[textOf(event.fields.app_proto)] ?? Service.Unknown,
    };
    out.push({ at: event.at, line: event.line, rows: this.#rows, value });
    return '';
  }

  flush(): void {}
}

class NameMapping implements EveMapping {
  readonly #rows = new FlowRows();
  readonly #object: string;
  readonly #field: string;
  readonly #service: number;

  constructor(object: string, field: string, service: number) {
    this.#object = object;
    this.#field = field;
    this.#service = service;
  }

  read(event: EveEvent, out: Ready[]): string {
    const own = event.fields[this.#object];
    if (!isFields(own)) return 'EVE_FIELD';
    const name = textOf(own[this.#field]);
    const ja4 = textOf(own.ja4);
    const certificate = textOf(own.certificate);
    const target = proxyTarget(textOf(own.http_method), textOf(own.url));
    // A hello without any of these says nothing that the flow's own line does not.
    if (name === '' && ja4 === '' && certificate === '' && target === undefined) return '';
    const value: Value = { fields: event.fields, own, name, ja4, certificate, target, service: this.#service };
    out.push({ at: event.at, line: event.line, rows: this.#rows, value });
    return '';
  }

  flush(): void {}
}
