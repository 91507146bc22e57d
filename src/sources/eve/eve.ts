// Suricata's EVE JSON: one event a line, all types in one file. The reader is shared; each event type's mapping is a file beside it.
import type { FaultTable } from '#events';
import type { DoesNotTell, SourceKind } from '../contract.ts';
import { type LineFormat, LineSource, type Ready } from '../lines/index.ts';
import { type EveKind, type EveMapping, eveTime, isFields } from './event.ts';

const faults: FaultTable = {
  EVE_JSON: { text: 'A line is not a JSON object.', remedy: 'Write one event a line.', lost: 'the line' },
  EVE_TIME: { text: 'An event has no time with a zone.', remedy: 'Log the field timestamp.', lost: 'the event' },
  EVE_FIELD: {
    text: 'An event lacks its event_type or the object of its type.',
    remedy: 'Log events as Suricata writes them, not wrapped.',
    lost: 'the event',
  },
  EVE_ADDRESS: { text: 'An event has no addresses.', remedy: 'Log src_ip and dest_ip.', lost: 'the event' },
  EVE_NAME: { text: 'A question is not a domain name.', remedy: 'Look at the line.', lost: 'the question' },
  EVE_RRTYPE: {
    text: 'A question has a type that has neither a known name nor a number.',
    remedy: 'Look at the line.',
    lost: 'the type: the question counts with type 0',
  },
  EVE_LINE_LENGTH: { text: 'A line is longer than 1 MiB.', remedy: 'Look at the line.', lost: 'the line' },
};

/** What the log cannot show, for the coverage of a run. */
const doesNotTell: DoesNotTell = {
  dns: [
    'message size and EDNS: sizes are 0, rcodes above 15 and the DO bit are not seen',
    'dots and backslashes inside labels are not escaped: such a name may be split at other places',
  ],
  flow: [
    'the size of the link header: 14 octets a packet are taken off, and payload is what headers without options leave',
  ],
};

export function eveSource(kinds: readonly EveKind[]): SourceKind {
  return {
    card: {
      name: 'eve',
      reads: `Suricata EVE JSON (${kinds.map((k) => k.eventType).join(', ')} events)`,
      faults,
      doesNotTell,
    },
    probe,
    open: (reader, path) => new LineSource(new EveLines(kinds), reader, path, 'EVE_LINE_LENGTH'),
  };
}

const PROBED_LINES = 8;

/** Some lines that all begin as objects, and the first names its type and time; a line may be cut by the end of the head. */
function probe(head: Uint8Array): boolean {
  const text = Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString('latin1');
  const lines = text
    .replace(/^\xef\xbb\xbf/, '')
    .split('\n', PROBED_LINES)
    .filter((l) => l.trim() !== '');
  const first = lines[0];
  return (
    first !== undefined &&
    lines.every((l) => l.startsWith('{')) &&
    /"event_type"\s*:\s*"/.test(first) &&
    /"timestamp"\s*:\s*"/.test(first)
  );
}

class EveLines implements LineFormat {
  readonly #mappings: ReadonlyMap<string, EveMapping>;

  constructor(kinds: readonly EveKind[]) {
    this.#mappings = new Map(kinds.map((k) => [k.eventType, k.create()]));
  }

  read(text: string, line: number, out: Ready[]): string {
    let fields: unknown;
    try {
      fields = JSON.parse(text);
    } catch {
      return 'EVE_JSON';
    }
    if (!isFields(fields)) return 'EVE_JSON';
    const type = fields.event_type;
    if (typeof type !== 'string') return 'EVE_FIELD';
    const own = this.#mappings.get(type);
    for (const mapping of this.#mappings.values()) if (mapping !== own) mapping.flush(out);
    // A file of several types is usual: those that are not read here are passed over.
    if (own === undefined) return '';
    const at = eveTime(fields.timestamp);
    if (Number.isNaN(at)) return 'EVE_TIME';
    return own.read({ at, line, fields, isAscii: !/[\x80-\xff]/.test(text) }, out);
  }

  end(out: Ready[]): void {
    for (const mapping of this.#mappings.values()) mapping.flush(out);
  }
}
