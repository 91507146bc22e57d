export type { Asset, Conduit, Partner, SignallingPlan, Zone } from './city.ts';
export { City, privateRanges } from './city.ts';
export type { CityFault } from './load.ts';
export { CityError, defaultCity, loadCity, parseCity } from './load.ts';
export { Operators } from './operators.ts';
