export { registeredAt, registeredName, suffixKind } from './suffix.ts';
