export { rpc, rpcPorts } from './rpc.ts';
