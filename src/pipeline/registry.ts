// The ordered list of everything that takes part. No scanning of folders, no registration by import side effect: the order
// is visible here, and a search finds every use. The house test holds folders and list together, both ways.

import type { DecoderKind } from '#decoders';
import { diameter } from '#decoders/diameter';
import { dns } from '#decoders/dns';
import { flow } from '#decoders/flow';
import { ip } from '#decoders/ip';
import { m2pa } from '#decoders/m2pa';
import { m3ua } from '#decoders/m3ua';
import { map } from '#decoders/map';
import { netflow } from '#decoders/netflow';
import { ot } from '#decoders/ot';
import { rpc } from '#decoders/rpc';
import { sccp } from '#decoders/sccp';
import { sctp } from '#decoders/sctp';
import { tcp } from '#decoders/tcp';
import type { DetectorKind } from '#detectors';
import { beacon } from '#detectors/beacon';
import { credentials } from '#detectors/credentials';
import { dga } from '#detectors/dga';
import { dnsBypass } from '#detectors/dns-bypass';
import { dnsRepeats } from '#detectors/dns-repeats';
import { dnsTunnel } from '#detectors/dns-tunnel';
import { dnssec } from '#detectors/dnssec';
import { exfiltration } from '#detectors/exfiltration';
import { movement, plantWriter } from '#detectors/movement';
import { proxyware } from '#detectors/proxyware';
import { rebinding } from '#detectors/rebinding';
import { relay } from '#detectors/relay';
import { scan } from '#detectors/scan';
import { signalling } from '#detectors/signalling';
import type { SourceKind } from '#sources';
import { dnstap } from '#sources/dnstap';
import { eve } from '#sources/eve';
import { ndjson } from '#sources/ndjson';
import { netflow as netflowFile } from '#sources/netflow';
import { nfdump } from '#sources/nfdump';
import { pcap } from '#sources/pcap';
import { pcapng } from '#sources/pcapng';
import { resolverLogs } from '#sources/resolver-log';
import { zeek } from '#sources/zeek';

/** Tried in this order on the first bytes of an input. */
export const sources: readonly SourceKind[] = [
  pcapng,
  pcap,
  dnstap,
  netflowFile,
  ndjson,
  zeek,
  eve,
  nfdump,
  ...resolverLogs,
];

/** A batch goes to the decoders of its kind in this order, then to the detectors. */
export const decoders: readonly DecoderKind[] = [
  ip,
  tcp,
  sctp,
  m3ua,
  m2pa,
  sccp,
  map,
  diameter,
  dns,
  ot,
  rpc,
  flow,
  netflow,
];

export const detectors: readonly DetectorKind[] = [
  dnsTunnel,
  dnsRepeats,
  dnssec,
  dga,
  rebinding,
  dnsBypass,
  proxyware,
  relay,
  movement,
  plantWriter,
  credentials,
  beacon,
  exfiltration,
  scan,
  signalling,
];
