export { addressHash, formatAddress, parseAddress } from './address.ts';
