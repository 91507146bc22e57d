// DCERPC calls that attack credentials, by interface and operation (MS-NRPC 3.5.4.4, MS-SAMR 3.1.5, MS-EFSR 3.1.4.2, MS-RPRN 3.1.4.10,
// MS-DFSNM 3.1.4, MS-FSRVP 3.1.4).
import calibration from './calibration.json' with { type: 'json' };

const c = calibration;

export const Call = { Nothing: 0, Channel: 1, PasswordSet: 2, Coerce: 3, Made: 4, Raised: 5 } as const;

const channel = new Set([5, 15, 26]);
const coercing: Readonly<Record<string, readonly [opnums: readonly number[], bits: number]>> = {
  efsrpc: [[0, 4, 5, 6, 7, 8, 9, 12, 13, 15, 16], c.coerceFiles],
  netdfs: [[12, 13], c.coerceNamespace],
  FileServerVssAgent: [[8, 9], c.coerceShadow],
  spoolss: [[62, 65], c.coercePrinter],
};
const made = new Set([12, 50]);
const raised = new Set([22, 31]);

/** @returns one of Call */
export function callOf(name: string, opnum: number): number {
  if (name === 'netlogon') return channel.has(opnum) ? Call.Channel : opnum === 30 ? Call.PasswordSet : Call.Nothing;
  if (name === 'samr') return made.has(opnum) ? Call.Made : raised.has(opnum) ? Call.Raised : Call.Nothing;
  return coercing[name]?.[0].includes(opnum) ? Call.Coerce : Call.Nothing;
}

export const coerceBits = (name: string): number => coercing[name]?.[1] ?? 0;
