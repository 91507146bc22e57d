export { ELEMENTS_MAX, NftEnforcer, type NftOptions, type Recheck } from './enforcer.ts';
export { NftGuard } from './guard.ts';
export { Kernel, standing } from './kernel.ts';
export { type Element, elementRecord, readRecord, readRecords } from './record.ts';
export { baseLines, dropLines, putLines, wallChains, wallRules } from './ruleset.ts';
export { type NftFile, type NftSettings, nftSettings } from './settings.ts';
