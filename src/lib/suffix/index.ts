export { registeredAt, suffixKind } from './suffix.ts';
