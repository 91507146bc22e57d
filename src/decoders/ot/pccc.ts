// Functions of PCCC, the older protocol of Allen-Bradley controllers (DF1 Protocol and Command Set, 1770-6.5.16, chapter 7).
import { OperationAct } from '#events';

const { Other, Read, Write, Engineering } = OperationAct;

/** Commands without a function: protected write, unprotected read, protected and unprotected bit write, unprotected write. */
const plain: Readonly<Record<number, number>> = { 0: Write, 1: Read, 2: Write, 5: Write, 8: Write };

/** Command 06: set variables, time-out, limits, data table size and link; the rest asks. */
const linkChanges = new Set([2, 4, 5, 6, 8, 10]);

/** Command 0f. */
const functions: Readonly<Record<number, number>> = {
  0: Write, // word range write
  1: Read,
  2: Write, // bit write
  3: Write, // file write
  4: Read,
  5: Engineering, // download request
  6: Read, // upload
  7: Engineering, // shutdown
  8: Write, // physical write
  9: Read,
  10: Engineering, // restart request
  17: Engineering, // get edit resource
  18: Engineering,
  23: Read,
  24: Write, // write bytes physical
  38: Write, // read-modify-write
  41: Read,
  58: Engineering, // set mode
  65: Engineering, // disable forces
  80: Engineering, // download all request
  82: Engineering, // download completed
  83: Read,
  85: Read,
  87: Engineering, // initialise memory
  94: Engineering, // modify compatibility file
  103: Write,
  104: Read,
  121: Write, // read-modify-write of several
  128: Engineering, // change mode
  143: Engineering, // apply port configuration
  161: Read,
  162: Read,
  167: Read,
  169: Write,
  170: Write,
  171: Write,
  175: Write,
};

/** Protected typed logical reads and writes, which name the type of the file. */
export const typedLogical: ReadonlySet<number> = new Set([0xa1, 0xa2, 0xa9, 0xaa, 0xab]);

/** Files that are the controller's own: ladder, channel and network configuration, edits, status, forces, clock. */
export const systemFiles: ReadonlySet<number> = new Set([0x22, 0x49, 0x4a, 0x65, 0x84, 0xa1, 0xa2, 0xe4]);

export function pcccAct(command: number, fnc: number): number {
  if (command === 0x0f) return functions[fnc] ?? Other;
  // 07: outputs off and on, scanning, download and upload mode.
  if (command === 0x07) return Engineering;
  if (command === 0x06) return linkChanges.has(fnc) ? Engineering : Read;
  return plain[command] ?? Other;
}
