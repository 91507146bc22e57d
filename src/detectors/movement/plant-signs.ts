// What plant-writer counts against a host: weight, technique (ATT&CK for ICS) and the words of a title.
import type { Signed } from '../growing.ts';
import calibration from './calibration.json' with { type: 'json' };

const c = calibration;

interface Sign {
  readonly bits: number;
  readonly techniques: readonly string[];
  /** Between the host and the controller: "A stops B". */
  readonly does: string;
}

export const signs = {
  stop: { bits: c.plantStop, techniques: ['T0816', 'T0858'], does: 'stops, starts or resets' },
  download: { bits: c.plantDownload, techniques: ['T0843'], does: 'changes the program of' },
  move: { bits: c.plantMoves, techniques: ['T0836'], does: 'changes the address or name of' },
  unlock: { bits: c.plantUnlocks, techniques: ['T0859'], does: 'shows a password to' },
  guess: { bits: c.plantGuessing, techniques: ['T0859'], does: 'tries passwords on' },
  malformed: { bits: c.plantMalformed, techniques: ['T0814'], does: 'sends broken messages to' },
  flood: { bits: c.plantFlood, techniques: ['T0814'], does: 'floods' },
  engineering: { bits: c.plantEngineering, techniques: ['T0855'], does: 'works on' },
  firstEngineering: { bits: c.plantFirstEngineering, techniques: [], does: 'works on' },
  firstWrite: { bits: c.plantFirstWrite, techniques: ['T0855'], does: 'writes, as it never did, to' },
  newHost: { bits: c.plantNewHost, techniques: [], does: 'writes, as it never did, to' },
  otherWriter: { bits: c.plantOtherWriter, techniques: [], does: 'writes, as it never did, to' },
  newFunction: { bits: c.plantNewFunction, techniques: ['T0855'], does: 'uses a new function of' },
  engineeringRole: { bits: c.plantEngineeringRole, techniques: [], does: 'works on' },
  gooseFell: { bits: c.gooseFell, techniques: ['T0856'], does: '' },
  gooseRestart: { bits: c.gooseRestart, techniques: ['T0856'], does: '' },
  gooseRepeat: { bits: c.gooseRepeat, techniques: ['T0856'], does: '' },
  goosePublisher: { bits: c.goosePublisher, techniques: ['T0856'], does: '' },
} as const satisfies Readonly<Record<string, Sign>>;

export type SignName = keyof typeof signs;

export const signed = (sign: SignName, text: string): Signed => ({ sign, text, bits: signs[sign].bits });
