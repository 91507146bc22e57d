export { medianInterval, poissonInterval, quantile, wilson } from './interval.ts';
