export { packColumn, unpackColumn } from './snapshot.ts';
