export {
  type Consumer,
  type ConsumerKind,
  type ResponseFile,
  type ResponseSettings,
  type RpzSettings,
  responseSettings,
} from './config.ts';
export type { Enforcer, Proposal, Stop } from './contract.ts';
export { ACTIONS_MAX, type DeskOptions, ResponseDesk } from './desk.ts';
export type { KeptZone, Ledger, LedgerEvent, ZoneLedger, ZoneStep } from './ledger.ts';
