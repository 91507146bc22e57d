export type { Detector, DetectorCard, DetectorContext, DetectorKind } from './contract.ts';
