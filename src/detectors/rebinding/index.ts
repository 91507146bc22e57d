export { rebinding } from './rebinding.ts';
