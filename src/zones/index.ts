export {
  ciliumPolicies,
  type Emitted,
  type KubernetesOptions,
  networkPolicies,
  yamlStream,
} from './emit/kubernetes.ts';
export { type NftOptions, nftables } from './emit/nft.ts';
export { type Conversation, Conversations } from './flows/conversations.ts';
export { listing, type ManifestFile, type NetworkReach, type Reach, reach } from './k8s/index.ts';
export { type Drift, type DriftReport, driftOf } from './policy/drift.ts';
export { Ground, type Group, groupText } from './policy/ground.ts';
export { conduitPolicy, type ZonePolicy, type ZoneRule } from './policy/rules.ts';
export { readService, type Service, serviceName, serviceText } from './policy/service.ts';
export { type Broken, brokenBy, CYCLE_MICROS, type SuggestedRule, type Suggestion, suggest } from './policy/suggest.ts';
