export { netflow } from './netflow.ts';
