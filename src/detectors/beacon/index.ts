export { beacon } from './beacon.ts';
export { type RitaList, type RitaScore, type RitaWindow, ritaScore, STROBE, windowOf } from './rita.ts';
export { type RitaOutcome, RitaRecord, type RitaRow, ritaInside } from './rita-rows.ts';
