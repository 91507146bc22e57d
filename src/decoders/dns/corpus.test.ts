// Every capture of the corpus's edge folder through the whole pipeline: nothing throws, and the number of DNS, mDNS and
// LLMNR messages is tshark's, but for the differences named here.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultCity } from '#city';
import { analyze } from '#pipeline';

const root = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'dns');

/** File to the reason why our count of rows is not tshark's count of frames. */
const known: Readonly<Record<string, string>> = {
  ...because('inside HTTP/2', [
    'suricata/dns-over-http2-post__dns_over_https_POST.pcap',
    'suricata/dns-over-http2__dns_over_https.pcap',
  ]),
  ...because('tshark counts frames, we count questions; several stand in one frame', [
    'oarc/dnscap-dnso1tcp-bighole.pcap',
    'oarc/dnscap-dnsotcp-many1pkt.pcap',
    'oarc/dnscap-dnsotcp-manyopkts.pcap',
    'oarc/dnscap-do1t-nosyn-1nolen.pcap',
    'suricata/dns__dns-tcp-multirequest-buffer__dns-tcp-multirequest-buffer.pcap',
    'zeek/conn-count-too-large.pcap',
    'zeek/mdns.pcap',
  ]),
  ...because('tshark counts a message of which we read no sound question (a fault says so)', [
    'ndpi/badpackets.pcap',
    'ndpi/fuzz-2006-06-26-2594.pcap',
    'suricata/dns__dns-forward-pointer__input.pcap',
    'zeek/dns-invalid-names.pcap',
  ]),
  ...because('tshark guesses by port or by the message quoted in ICMP; content there is not whole or not on its own', [
    'link/gre-sample.pcap',
    'oarc/compactor-teststats.pcap',
    'suricata/dns__dns-incomplete__input.pcap',
  ]),
  ...because('TCP with holes: what stands behind a hole is put in order otherwise', [
    'oarc/dnscap-dnso1tcp-midmiss.pcap',
    'wireshark/dns-ooo.pcap',
  ]),
};

function because(reason: string, files: readonly string[]): Record<string, string> {
  return Object.fromEntries(files.map((f) => [`edge/${f}`, reason]));
}

function table(path: string): string[][] {
  return readFileSync(join(root, path), 'utf8')
    .split('\n')
    .filter((l) => l !== '' && !l.startsWith('#'))
    .map((l) => l.split('\t'));
}

describe.skipIf(!existsSync(root))(
  'corpus dns/edge (skipped where the corpus is not there: set PARAPET_CORPUS)',
  () => {
    it('no file crashes the pipeline, and messages are counted as tshark counts them', async () => {
      const expected = new Map(table('expect/tshark-dns.tsv').map((c) => [c[0]!, c]));
      const differs: string[] = [];
      let files = 0;
      for (const [path = ''] of table('MANIFEST.tsv')) {
        if (!path.startsWith('edge/')) continue;
        const outcome = await analyze([join(root, path)], { city: defaultCity(), planes: new Set(['dns']) });
        const row = expected.get(path);
        if (row === undefined) continue;
        files += 1;
        const messages = Number(row[2]) + Number(row[3]) + Number(row[4]);
        const rows = outcome.rows.dns ?? 0;
        if (rows !== messages && !(path in known)) differs.push(`${path}: tshark ${messages}, ours ${rows}`);
      }
      expect(differs).toEqual([]);
      expect(files).toBeGreaterThan(200);
    });
  },
);
