export { addressHash, formatAddress, isGroupAddress, parseAddress } from './address.ts';
