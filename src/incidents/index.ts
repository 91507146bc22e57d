export { Incidents } from './incidents.ts';
