// PROFINET's discovery and basic configuration, DCP (IEC 61158-6-10, 4.3): EtherType 8892, frame ids FEFC to FEFF. It gives
// stations their name and address, or takes all back, with no key. Cyclic data of the same EtherType give no rows.
import { OperationAct, OperationProtocol, OperationRole } from '#events';
import { type Rows, u16be } from './rows.ts';

export const PROFINET = 0x8892;
/** Codes of what a Set sets, above those of services: 256 * option + suboption. */
export const DCP_SET = 0x10000;
const FRAME_ID_FIRST = 0xfefc;
const BLOCKS_MAX = 32;
const Service = { Get: 3, Set: 4, Identify: 5, Hello: 6 } as const;
const Option = { Ip: 1, Device: 2, Control: 5 } as const;
const RESET_FACTORY = 5;
const { Other, Read, Engineering } = OperationAct;

/** @param at where the frame id lies, behind the EtherType */
export function readProfinet(b: Uint8Array, at: number, end: number, rows: Rows): void {
  if (at + 2 > end || u16be(b, at) < FRAME_ID_FIRST || u16be(b, at) > 0xfeff) return;
  const head = at + 2;
  const from = head + 10;
  if (from > end) {
    rows.fault('OT_SHORT');
    return;
  }
  const service = b[head]!;
  const isAnswer = b[head + 1] !== 0;
  const role =
    service === Service.Hello ? OperationRole.Unsolicited : isAnswer ? OperationRole.Response : OperationRole.Request;
  if (service !== Service.Set || isAnswer) {
    const act = service === Service.Get || service === Service.Identify ? Read : Other;
    const i = rows.add(OperationProtocol.Profinet, act, role, service, !isAnswer);
    // 1: well; 5: the service is not supported.
    if (isAnswer) rows.batch.status[i] = b[head + 1] === 1 ? 0 : b[head + 1]!;
    return;
  }
  const to = from + u16be(b, head + 8);
  if (to > end) {
    rows.fault('OT_SHORT');
    return;
  }
  let block = from;
  for (let n = 0; n < BLOCKS_MAX && block + 4 <= to; n++) {
    const option = b[block]!;
    const sub = b[block + 1]!;
    const bytes = u16be(b, block + 2);
    if (block + 4 + bytes > to) {
      rows.malformed(OperationProtocol.Profinet, 'OT_SHORT');
      return;
    }
    const i = rows.add(OperationProtocol.Profinet, actOf(option, sub), role, DCP_SET + 256 * option + sub);
    // Two octets of qualifier, then the value; a block ends on an even octet.
    if (option === Option.Device && bytes > 2) rows.batch.setObject(i, b, block + 6, bytes - 2);
    else if (option === Option.Ip && bytes >= 6)
      rows.batch.setObjectText(i, `${b[block + 6]}.${b[block + 7]}.${b[block + 8]}.${b[block + 9]}`);
    block += 4 + bytes + (bytes & 1);
  }
}

/** To let a lamp blink, and to begin and end a change, changes nothing. */
function actOf(option: number, sub: number): number {
  return option === Option.Control && sub < RESET_FACTORY ? Other : Engineering;
}
