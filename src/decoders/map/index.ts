export { map } from './map.ts';
export { mapOperationName } from './operations.ts';
