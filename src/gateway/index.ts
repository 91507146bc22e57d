export { type Approvals, compileConfig, type GatewayConfig, type GatewayFile, gatewayConfig } from './config.ts';
export type { HeldCommand, HoldAnswer, Holds } from './holds.ts';
export { type Identity, identityOf, parseSpiffeId } from './identity.ts';
export { type CommandFacts, type Judge, judgeCommand, type TwinAnswer, type TwinVerdict } from './interlock.ts';
export { type Denied, Grants, Policy } from './policy.ts';
export { type Gateway, type GatewayHealth, type GatewayOptions, startGateway } from './process.ts';
export { contains } from './topics.ts';
