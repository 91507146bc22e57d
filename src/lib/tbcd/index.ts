export { bcdDigits, tbcdDigits } from './tbcd.ts';
