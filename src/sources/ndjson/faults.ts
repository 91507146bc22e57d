import type { FaultTable } from '#events';

const lost = 'this record';

export const ndjsonFaults: FaultTable = {
  NDJSON_SYNTAX: { text: 'The line is not JSON.', remedy: 'Write one whole JSON object a line.', lost: 'this line' },
  NDJSON_TRUNCATED: {
    text: 'The file ends inside a line.',
    remedy: 'Usual while it is still being written; read it again when it is whole.',
    lost: 'the last line',
  },
  NDJSON_UTF8: { text: 'The line is not UTF-8.', remedy: 'Write the file as UTF-8.', lost: 'this line' },
  NDJSON_LINE_LENGTH: {
    text: 'The line is longer than 1 MiB.',
    remedy: 'Write one record a line, or arrays of at most some thousand records.',
    lost: 'this line',
  },
  NDJSON_DEPTH: {
    text: 'The line is nested deeper than 32 levels.',
    remedy: 'Records are flat; find out who wrote this line, since nothing honest needs that depth.',
    lost: 'this line',
  },
  NDJSON_DUPLICATE_KEY: {
    text: 'An object names the same field twice, so that two readers could see two different records.',
    remedy: 'Write each field once; find out who wrote this line.',
    lost: 'this line',
  },
  NDJSON_SHAPE: {
    text: 'The line is JSON, but neither an object nor an array of objects.',
    remedy: 'Write one record a line, or an array of records.',
    lost,
  },
  NDJSON_KIND: {
    text: 'The record names no kind that is read.',
    remedy: 'Set kind to reading, command or position.',
    lost,
  },
  NDJSON_TIME: {
    text: 'A time is neither ISO 8601 with a zone nor integer microseconds since the epoch.',
    remedy: 'Write it like 2026-01-02T03:04:05.000000Z.',
    lost,
  },
  NDJSON_FIELD_MISSING: {
    text: 'A field that this kind of record needs is missing or empty.',
    remedy: 'See "NDJSON in" of docs/contract.md for the fields of each kind.',
    lost,
  },
  NDJSON_FIELD_TYPE: {
    text: 'A field has a value of the wrong type.',
    remedy: 'Numbers go without quotes, names with; see "NDJSON in" of docs/contract.md.',
    lost,
  },
  NDJSON_FIELD_RANGE: {
    text: 'A field is out of its range (not finite, negative spread, no such place on Earth) or too long.',
    remedy: 'See src/sources/ndjson/README.md for the ranges.',
    lost,
  },
};
