export { Ldl } from './ldl.ts';
export { Lu } from './lu.ts';
export { analyse, doubled, type Pattern, positionOf } from './order.ts';
