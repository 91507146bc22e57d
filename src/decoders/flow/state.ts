// How a connection went, in Zeek's words (scripts/base/protocols/conn: conn_state and history), and how long its silence
// may last before it is over.
import { FlowState } from '#events';
import { Seen } from './table.ts';

/** Silence after which a flow is over, microseconds. TCP's is long: a meter polled half-hourly is one session. */
const IDLE = { tcp: 3600e6, attempt: 30e6, ended: 5e6, udp: 60e6, icmp: 60e6, other: 60e6 } as const;

export function idleOf(seen: number, protocol: number): number {
  if (protocol === 17) return IDLE.udp;
  if (protocol === 1 || protocol === 58) return IDLE.icmp;
  if (protocol !== 6) return IDLE.other;
  if ((seen & (Seen.OriginatorRst | Seen.ResponderRst)) !== 0) return IDLE.ended;
  if ((seen & Seen.OriginatorFin) !== 0 && (seen & Seen.ResponderFin) !== 0) return IDLE.ended;
  if ((seen & Seen.Responder) === 0 && (seen & Seen.OriginatorSyn) !== 0) return IDLE.attempt;
  return IDLE.tcp;
}

export function stateOf(seen: number, protocol: number): number {
  const o = (seen & Seen.Originator) !== 0;
  const r = (seen & Seen.Responder) !== 0;
  if (protocol !== 6) return o && r ? FlowState.SF : r ? FlowState.SHR : FlowState.S0;
  const syn = (seen & Seen.OriginatorSyn) !== 0;
  const synAck = (seen & Seen.ResponderSynAck) !== 0;
  const oFin = (seen & Seen.OriginatorFin) !== 0;
  const rFin = (seen & Seen.ResponderFin) !== 0;
  const oRst = (seen & Seen.OriginatorRst) !== 0;
  const rRst = (seen & Seen.ResponderRst) !== 0;
  // A SYN that was missed is taken for sent where its answer was taken up.
  if (synAck && (syn || (o && !oRst))) {
    // A reset behind both FINs is a stack's tidying up, not how the connection went.
    if (oFin && rFin) return FlowState.SF;
    if (oRst) return FlowState.RSTO;
    if (rRst) return FlowState.RSTR;
    return oFin ? FlowState.S2 : rFin ? FlowState.S3 : FlowState.S1;
  }
  if (syn) {
    if (rRst) return FlowState.REJ;
    if (oRst) return FlowState.RSTOS0;
    return oFin ? FlowState.SH : r ? FlowState.OTH : FlowState.S0;
  }
  if (synAck && !o) return rRst ? FlowState.RSTRH : rFin ? FlowState.SHR : FlowState.OTH;
  return FlowState.OTH;
}

/** Letters of a history, each written once a side; the originator's in capitals. */
export const Letter = {
  Syn: 1,
  SynAck: 2,
  Ack: 4,
  Data: 8,
  Fin: 16,
  Rst: 32,
  Inconsistent: 64,
  MultiFlag: 128,
} as const;
const letters = 'SHADFRIQ';
export const RETRANSMISSION = 0x54;
export const ZERO_WINDOW = 0x57;
export const FLIPPED = 0x5e;

/** One of Letter, 0 where a TCP packet adds nothing. */
export function letterOf(flags: number, payload: number): number {
  switch (flags & 7) {
    case 0:
      return payload > 0 ? Letter.Data : (flags & 16) !== 0 ? Letter.Ack : 0;
    case 1:
      return Letter.Fin;
    case 2:
      return (flags & 16) !== 0 ? Letter.SynAck : Letter.Syn;
    case 4:
      return Letter.Rst;
    case 5:
    case 7:
      return Letter.Inconsistent;
    default:
      return Letter.MultiFlag;
  }
}

export function characterOf(letter: number): number {
  return letters.charCodeAt(31 - Math.clz32(letter));
}

/** What repeats is written at its first, tenth and hundredth time. */
export function isTold(count: number): boolean {
  return count === 1 || count === 10 || count === 100;
}
