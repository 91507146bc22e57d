export { BER_DEPTH_MAX, BER_NODES_MAX, BerForm, BerHeader, findTag, oidText, readHeader } from './ber.ts';
