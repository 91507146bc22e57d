export { movement } from './movement.ts';
export { plantWriter } from './plant.ts';
