export { diameter } from './diameter.ts';
