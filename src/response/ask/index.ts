export { Class, Flag, type Message, Rcode, type ReadRecord, rcodeName, Type } from '../wire/index.ts';
export { type Ask, type Asked, ask, type Reply } from './ask.ts';
