export { pcap } from './pcap.ts';
