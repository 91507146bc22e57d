// Query logs of resolvers. The reader of lines, the stamps and the rows are shared; each format's grammar is a file beside this one.
import type { SourceKind } from '../contract.ts';
import { LineSource } from '../lines/index.ts';
import { bind } from './bind.ts';
import { coredns } from './coredns.ts';
import { dnsmasq } from './dnsmasq.ts';
import { resolverFaults } from './faults.ts';
import { Log, type LogFormat } from './format.ts';
import { infoblox } from './infoblox.ts';
import { powerdns } from './powerdns.ts';
import { type LogSettings, Stamps } from './stamps.ts';
import { umbrella } from './umbrella.ts';
import { unbound } from './unbound.ts';

/** The first whose mark is found in a file has it, so no two claim one. NIOS before BIND, whose lines it writes too. */
const formats: readonly LogFormat[] = [dnsmasq, unbound, powerdns, coredns, umbrella, infoblox, bind];

const HEAD_BYTES = 4096;

export type ResolverLogKind = SourceKind & {
  readonly card: { readonly doesNotTell: { readonly dns: readonly string[] } };
};

/** A source kind for each format; their faults are one table. */
export function resolverLogKinds(settings: LogSettings): readonly ResolverLogKind[] {
  return formats.map((format) => ({
    card: { name: format.name, reads: format.reads, faults: resolverFaults, doesNotTell: { dns: format.doesNotTell } },
    probe: (head) => formatOf(textOf(head, 0, head.length)) === format,
    open: (reader, path) => {
      const head = textOf(reader.buffer, reader.start, Math.min(reader.end, reader.start + HEAD_BYTES));
      const log = new Log(format.create(), new Stamps(settings, head));
      return new LineSource(log, reader, path, 'RESOLVER_LINE_LENGTH');
    },
  }));
}

function formatOf(head: string): LogFormat | undefined {
  return formats.find((f) => f.mark.test(head));
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
}
