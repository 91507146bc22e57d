// What is known of a flow beside its counts, as bits: the eight that tell its state are those of decoders/flow.
import { Seen } from '../flow/table.ts';
import { Tcp } from './record.ts';

export const Mark = {
  Ended: 256,
  /** It was alive when its newest record was sent. */
  Alive: 512,
  Told: 1024,
  /** The originator is known for sure, or told. */
  Settled: 2048,
  /** By side: its records come from ingress, from egress. */
  Ingress: [4096, 8192],
  Egress: [16_384, 32_768],
} as const;

export const SYNS: number = Seen.OriginatorSyn | Seen.ResponderSynAck;
export const SPOKEN: number = Seen.Originator | Seen.Responder;
export const FINS: number = Seen.OriginatorFin | Seen.ResponderFin;
export const RSTS: number = Seen.OriginatorRst | Seen.ResponderRst;
/** Any record that says from which side of the device it was taken. */
export const DIRECTED: number = Mark.Ingress[0] | Mark.Ingress[1] | Mark.Egress[0] | Mark.Egress[1];

/** Bits that one side's record sets. */
export function bitsOf(side: number, hasSpoken: boolean, flags: number): number {
  let bits = hasSpoken ? (side === 0 ? Seen.Originator : Seen.Responder) : 0;
  if ((flags & Tcp.Syn) !== 0) bits |= side === 0 ? Seen.OriginatorSyn : Seen.ResponderSynAck;
  if ((flags & Tcp.Fin) !== 0) bits |= side === 0 ? Seen.OriginatorFin : Seen.ResponderFin;
  if ((flags & Tcp.Rst) !== 0) bits |= side === 0 ? Seen.OriginatorRst : Seen.ResponderRst;
  return bits;
}

const pairs = [
  [Seen.OriginatorSyn, Seen.ResponderSynAck],
  [Seen.OriginatorFin, Seen.ResponderFin],
  [Seen.OriginatorRst, Seen.ResponderRst],
  [Seen.Originator, Seen.Responder],
  [Mark.Ingress[0], Mark.Ingress[1]],
  [Mark.Egress[0], Mark.Egress[1]],
] as const;

/** Every pair of bits that speak of the two sides changes places. */
export function turned(seen: number): number {
  let out = seen & (Mark.Ended | Mark.Alive | Mark.Told | Mark.Settled);
  for (let i = 0; i < pairs.length; i++) {
    const [a, b] = pairs[i]!;
    if ((seen & a) !== 0) out |= b;
    if ((seen & b) !== 0) out |= a;
  }
  return out;
}
