// conn.log, http.log and ssl.log to 'flow' rows. conn.log gives a closed flow a line; http.log and ssl.log tell whom a
// connection asked for, its fingerprint and certificate, as an opened row of the same flow number (from the uid) without
// counts, so that nothing counts twice.
import { BATCH_ROWS, FlowBatch, FlowPhase, FlowState, Service, serviceOf } from '#events';
import { parseAddress } from '#lib/address';
import { FlowTexts, proxyTarget, TEXT_BYTES_MAX } from '../lines/index.ts';
import type { ZeekLog, ZeekRows } from './log.ts';
import type { ZeekRow } from './row.ts';

/** Some collectors write `id_orig_h` for `id.orig_h`. */
const dotted = (fields: readonly string[]): readonly string[][] => [
  ['id.orig_h', ...fields],
  ['id_orig_h', ...fields],
];

export const flowLogs: readonly ZeekLog[] = [
  ...dotted(['conn_state']).map((jsonFields) => ({ path: 'conn', jsonFields, create: () => new ConnRows() })),
  ...dotted(['trans_depth']).map((jsonFields) => ({ path: 'http', jsonFields, create: () => new HttpRows() })),
  ...dotted(['server_name', 'cipher']).map((jsonFields) => ({
    path: 'ssl',
    jsonFields,
    create: () => new SslRows(),
  })),
];

const protocols: Readonly<Record<string, number>> = { tcp: 6, udp: 17, icmp: 1 };
/** Zeek's service words, strongest first. */
const services: readonly (readonly [string, number])[] = [
  ['smb', Service.Smb],
  ['dce_rpc', Service.Dcerpc],
  ['ssl', Service.Tls],
  ['http', Service.Http],
  ['ssh', Service.Ssh],
  ['rdp', Service.Rdp],
  ['mqtt', Service.Mqtt],
  ['modbus', Service.Modbus],
  ['dnp3', Service.Dnp3],
  ['krb', Service.Kerberos],
  ['dns', Service.Dns],
];
/** The flow column holds as many of Zeek's letters. */
const HISTORY_BYTES_MAX = 15;

abstract class Rows implements ZeekRows {
  readonly batch = new FlowBatch();
  protected readonly texts: FlowTexts;

  constructor(textBytes: number) {
    this.texts = new FlowTexts(this.batch, textBytes);
  }

  clear(): void {
    this.batch.count = 0;
    this.texts.clear();
  }

  abstract add(row: ZeekRow, at: number, line: number): string;

  /** Fills what both kinds of line have. @returns '' or a fault code */
  protected begin(row: ZeekRow, at: number, line: number): string {
    const b = this.batch;
    const i = b.count;
    if (i >= BATCH_ROWS) return 'ZEEK_FIELD';
    if (!parseAddress(either(row, 'id.orig_h', 'id_orig_h'), b.addresses, 8 * i)) return 'ZEEK_ADDRESS';
    if (!parseAddress(either(row, 'id.resp_h', 'id_resp_h'), b.addresses, 8 * i + 4)) return 'ZEEK_ADDRESS';
    b.at[i] = at;
    b.place[i] = line;
    b.lastPlace[i] = line;
    b.flow[i] = numberOf(row.text('uid'));
    b.firstAt[i] = at;
    b.lastAt[i] = at;
    b.originatorPort[i] = count(either(row, 'id.orig_p', 'id_orig_p'), 65_535);
    b.responderPort[i] = count(either(row, 'id.resp_p', 'id_resp_p'), 65_535);
    b.protocol[i] = 6;
    this.texts.none(i);
    b.targetPort[i] = 0;
    return '';
  }
}

class ConnRows extends Rows {
  constructor() {
    super(HISTORY_BYTES_MAX);
  }

  override add(row: ZeekRow, at: number, line: number): string {
    const fault = this.begin(row, at, line);
    if (fault !== '') return fault;
    const b = this.batch;
    const i = b.count;
    const seconds = Number(row.text('duration'));
    b.phase[i] = FlowPhase.Close;
    b.lastAt[i] = at + (Number.isFinite(seconds) && seconds > 0 ? Math.round(seconds * 1e6) : 0);
    // The line is written when the flow is over: that is when anyone could know.
    b.at[i] = b.lastAt[i]!;
    b.protocol[i] = protocols[row.text('proto')] ?? 0;
    b.state[i] = FlowState[row.text('conn_state') as keyof typeof FlowState] ?? FlowState.OTH;
    b.originatorPackets[i] = count(row.text('orig_pkts'));
    b.responderPackets[i] = count(row.text('resp_pkts'));
    b.originatorIpBytes[i] = count(row.text('orig_ip_bytes'));
    b.responderIpBytes[i] = count(row.text('resp_ip_bytes'));
    b.originatorPayloadBytes[i] = count(row.text('orig_bytes'));
    b.responderPayloadBytes[i] = count(row.text('resp_bytes'));
    b.originatorPayloadDelta[i] = b.originatorPayloadBytes[i]!;
    b.responderPayloadDelta[i] = b.responderPayloadBytes[i]!;
    b.samplingRate[i] = 1;
    b.service[i] = serviceOf(contentOf(row.text('service')), b.responderPort[i]!, b.protocol[i]!);
    this.texts.put(i, b.historyOffset, b.historyBytes, row.text('history'), HISTORY_BYTES_MAX);
    b.count = i + 1;
    return '';
  }
}

abstract class NameRows extends Rows {
  protected abstract readonly service: number;

  constructor() {
    super(TEXT_BYTES_MAX);
  }

  /** Fills what the line says of whom was asked for. */
  protected abstract asked(row: ZeekRow, i: number): void;

  override add(row: ZeekRow, at: number, line: number): string {
    const fault = this.begin(row, at, line);
    if (fault !== '') return fault;
    const b = this.batch;
    const i = b.count;
    b.phase[i] = FlowPhase.Open;
    b.originatorPackets[i] = 0;
    b.responderPackets[i] = 0;
    b.originatorIpBytes[i] = 0;
    b.responderIpBytes[i] = 0;
    b.originatorPayloadBytes[i] = 0;
    b.responderPayloadBytes[i] = 0;
    b.originatorPayloadDelta[i] = 0;
    b.responderPayloadDelta[i] = 0;
    b.state[i] = FlowState.OTH;
    b.samplingRate[i] = 1;
    b.service[i] = serviceOf(this.service, b.responderPort[i]!, b.protocol[i]!);
    this.asked(row, i);
    b.count = i + 1;
    return '';
  }
}

class HttpRows extends NameRows {
  protected override readonly service = Service.Http;

  protected override asked(row: ZeekRow, i: number): void {
    const target = proxyTarget(row.text('method'), row.text('uri'));
    this.texts.name(i, target?.name ?? row.text('host').replace(/:\d+$/, ''));
    if (target !== undefined) this.batch.targetPort[i] = target.port;
  }
}

class SslRows extends NameRows {
  protected override readonly service = Service.Tls;

  protected override asked(row: ZeekRow, i: number): void {
    this.texts.name(i, row.text('server_name'));
    this.texts.ja4(i, row.text('ja4'));
    this.texts.certificate(i, row.list('cert_chain_fps')[0] ?? '');
  }
}

function either(row: ZeekRow, field: string, other: string): string {
  return row.text(field) || row.text(other);
}

/** Cells of the service column seen so far, which are few; nothing is kept of a log that makes them up. */
const contents = new Map<string, number>();
const CONTENTS_MAX = 256;

function contentOf(cell: string): number {
  const known = contents.get(cell);
  if (known !== undefined) return known;
  const words = cell.split(',');
  const content = services.find(([word]) => words.includes(word))?.[1] ?? Service.Unknown;
  if (contents.size < CONTENTS_MAX) contents.set(cell, content);
  return content;
}

function count(text: string, max = Number.MAX_SAFE_INTEGER): number {
  const value = Number(text);
  return Number.isFinite(value) && value >= 0 ? Math.min(Math.trunc(value), max) : 0;
}

/** A number for a uid: 52 bits of a multiplicative hash, so that logs of one run agree on it. */
function numberOf(uid: string): number {
  let a = 0x811c9dc5;
  let b = 0x9e3779b1;
  for (let i = 0; i < uid.length; i++) {
    a = Math.imul(a ^ uid.charCodeAt(i), 0x01000193);
    b = Math.imul(b ^ uid.charCodeAt(i), 0x85ebca6b) + 1;
  }
  return (a >>> 0) * 0x100000 + ((b >>> 0) & 0xfffff);
}
