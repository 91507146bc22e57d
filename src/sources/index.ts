export type { ByteReader, Source, SourceKind } from './contract.ts';
export { fileFaults, openBytes, readBytes } from './file/index.ts';
