// Rows that hold both directions (`-b`, `-B`): which side began. The source is whichever record nfdump met first, and the flags
// are those of that one record; `-B` turns ends and counts by their ports, and leaves the flags as they are. So a row shows
// the flags of one side and does not say of which.
import type { FlowRow } from './row.ts';

const ICMP = 1;
const TCP = 6;
const UDP = 17;
const ICMPV6 = 58;
const Fin = 1;
const Syn = 2;
const Rst = 4;
const Ack = 16;
/** System ports (RFC 6335 6) end below 1024; Linux takes client ports from 32768 on, others from 49152. */
const SYSTEM_PORTS = 1024;
const CLIENT_PORTS = 32_768;

/** Makes the originator the source of a bidirectional row, and its flags those that each side can be said to have sent. */
export function orient(row: FlowRow): void {
  row.isBidirectional = row.reversePackets > 0 || row.reverseBytes > 0;
  if (!row.isBidirectional) return;
  if (!isSourceFirst(row)) turn(row);
  // -B turns a lone answer as well, so that its source has sent nothing: that is one direction.
  if (row.packets === 0 && row.bytes === 0) {
    turn(row);
    row.isBidirectional = false;
    return;
  }
  if (row.protocol === TCP) share(row);
}

function isSourceFirst(row: FlowRow): boolean {
  // Only who began sends a SYN and never an ACK.
  if ((row.flags & (Syn | Ack)) === Syn) return true;
  if (row.protocol !== TCP && row.protocol !== UDP) return true;
  const source = rankOf(row.sourcePort);
  const destination = rankOf(row.destinationPort);
  if (source !== destination) return destination > source;
  // Two packets from one side make its flags at the least SYN, then ACK: one packet with both is an answer.
  if ((row.flags & (Syn | Ack)) === (Syn | Ack) && row.packets === 1) return false;
  return row.protocol === UDP || row.sourcePort >= row.destinationPort;
}

/** How much a port looks like a server's. */
function rankOf(port: number): number {
  return port < SYSTEM_PORTS ? 2 : port < CLIENT_PORTS ? 1 : 0;
}

/** Gives each side of a connection the flags that one side's record proves. */
function share(row: FlowRow): void {
  const { flags } = row;
  row.reverseFlags = 0;
  if ((flags & Syn) !== 0 && (flags & Ack) !== 0) {
    // An ACK beside a SYN is a hand-shake that was answered; a FIN is taken for both, a reset for the originator's.
    row.reverseFlags = flags & ~Rst;
  } else if ((flags & Syn) !== 0) {
    // Nothing but SYNs (and the reset of a scanner): one packet in answer to one was a refusal, or the SYN that was reset.
    const answer = (flags & Rst) !== 0 ? Syn | Ack : Rst | Ack;
    if (row.reversePackets === row.packets || (flags & Rst) !== 0) row.reverseFlags = answer;
  } else if ((flags & Rst) !== 0 && row.packets === row.reversePackets && (flags & Fin) === 0) {
    // As many resets as there were packets: each SYN was refused.
    row.flags = Syn;
    row.reverseFlags = flags;
  }
}

function turn(row: FlowRow): void {
  const { addresses } = row;
  for (let k = 0; k < 4; k++) {
    const word = addresses[k]!;
    addresses[k] = addresses[4 + k]!;
    addresses[4 + k] = word;
  }
  const { sourcePort, packets, bytes } = row;
  // Type and code of ICMP stand where the destination's port does, whatever the direction.
  if (row.protocol !== ICMP && row.protocol !== ICMPV6) {
    row.sourcePort = row.destinationPort;
    row.destinationPort = sourcePort;
  }
  row.packets = row.reversePackets;
  row.bytes = row.reverseBytes;
  row.reversePackets = packets;
  row.reverseBytes = bytes;
}
