import { resolverLogKinds } from './resolver-log.ts';

export { type ResolverLogKind, resolverLogKinds } from './resolver-log.ts';
export type { LogSettings } from './stamps.ts';

/** All formats that are read; a new one is a file and an entry in resolver-log.ts. */
export const resolverLogs = resolverLogKinds({});
