export { netflowListenFaults } from './faults.ts';
export {
  type NetflowCode,
  NetflowError,
  NetflowListener,
  type NetflowOptions,
  type NetflowWhere,
  openNetflow,
} from './listen.ts';
export { netflow } from './netflow.ts';
