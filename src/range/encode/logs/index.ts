// All text logs that the range writes; dnstap is beside them because it is binary.
import { bind } from './bind.ts';
import { coredns } from './coredns.ts';
import { dnsmasq } from './dnsmasq.ts';
import { eveV2, eveV3 } from './eve.ts';
import type { LogFormat } from './format.ts';
import { infoblox } from './infoblox.ts';
import { pdns } from './pdns.ts';
import { umbrella } from './umbrella.ts';
import { unbound } from './unbound.ts';
import { zeek } from './zeek.ts';

export { DnstapWriter } from './dnstap.ts';
export type { LogFormat } from './format.ts';
export const logFormats: readonly LogFormat[] = [
  zeek,
  eveV2,
  eveV3,
  bind,
  unbound,
  dnsmasq,
  coredns,
  pdns,
  infoblox,
  umbrella,
];
