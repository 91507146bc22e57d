export { type CryptoSink, InitialReader, isInitial } from './initial.ts';
export { clientKeys, type InitialKeys, versionOf } from './keys.ts';
