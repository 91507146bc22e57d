export { chiSquaredQuantile, chiSquaredTail } from './chi-squared.ts';
export { normalQuantile } from './normal.ts';
