export { type AdviceSection, adviceFor, SECRET_PLACE } from './advice.ts';
export { type Check, checkConsumer } from './checks.ts';
export { servedZone } from './served.ts';
