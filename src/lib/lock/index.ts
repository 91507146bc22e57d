export { holdLock } from './lock.ts';
