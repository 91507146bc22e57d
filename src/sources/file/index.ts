export { fileFaults, openBytes, readBytes } from './file.ts';
