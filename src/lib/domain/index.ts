export { canonicalDomain, isUnder } from './domain.ts';
