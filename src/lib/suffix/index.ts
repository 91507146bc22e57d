export { registeredAt, registeredName, registeredStart, suffixKind } from './suffix.ts';
