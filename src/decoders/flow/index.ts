export { flow } from './flow.ts';
