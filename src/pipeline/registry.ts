// The ordered list of everything that takes part. No scanning of folders, no registration by import side effect: the order
// is visible here, and a search finds every use. The house test holds folders and list together, both ways.

import type { DecoderKind } from '#decoders';
import { dns } from '#decoders/dns';
import { ip } from '#decoders/ip';
import { tcp } from '#decoders/tcp';
import type { DetectorKind } from '#detectors';
import { dnsTunnel } from '#detectors/dns-tunnel';
import type { SourceKind } from '#sources';
import { ndjson } from '#sources/ndjson';
import { pcap } from '#sources/pcap';
import { pcapng } from '#sources/pcapng';
import { zeek } from '#sources/zeek';

/** Tried in this order on the first bytes of an input. */
export const sources: readonly SourceKind[] = [pcapng, pcap, ndjson, zeek];

/** A batch goes to the decoders of its kind in this order, then to the detectors. */
export const decoders: readonly DecoderKind[] = [ip, tcp, dns];

export const detectors: readonly DetectorKind[] = [dnsTunnel];
