// What one name says: how much its labels left of a zone could carry, and how much likelier they are as coded data than as
// host names. The host-name side is a model of letter pairs learnt from names that people and devices really ask
// (calibration.json); the data side is the uniform draw from the narrowest alphabet that holds the label.
import { hashLowerCased, LOWER } from '#lib/wirename';
import calibration from './calibration.json' with { type: 'json' };

/** Symbols of the model: 0 label end, 1-26 letters, 27-36 digits, 37 '-', 38 '_', 39 all else. */
export const SYMBOLS = 40;
export const symbolOf = new Uint8Array(256).fill(39);
for (let i = 0; i < 26; i++) symbolOf[0x61 + i] = 1 + i;
for (let i = 0; i < 10; i++) symbolOf[0x30 + i] = 27 + i;
symbolOf[0x2d] = 37;
symbolOf[0x5f] = 38;

/** Eighths of bits that the pair costs under the host-name model. */
const cost = Uint8Array.from(Buffer.from(calibration.pairCostEighths, 'base64'));

const isHex = new Uint8Array(256);
for (const c of '0123456789abcdef') isHex[c.charCodeAt(0)] = 1;

/** Filled by measure; one is reused for all names. */
export class NameMeasure {
  labels = 0;
  readonly starts = new Int32Array(128);
  /** Offset of the first label of the registered domain (or of the root, where the name has no plausible one). */
  zoneAt = 0;
  /** Labels left of the registered domain. */
  payloadLabels = 0;
  /** Octets left of it without length octets. */
  payloadBytes = 0;
  /** log2 likelihood of coded data against a host name, summed over the labels that speak for data. */
  dataBits = 0;
  /** Octets of labels that look like data. */
  dataBytes = 0;
  /** Bytes the name could carry by its alphabet. */
  carriedBytes = 0;
  /** Octets >= 0x80 or control characters. */
  rawBytes = 0;
  /** '=', '+', '/', '*': coded data, never host names. */
  oddBytes = 0;
  /** Four numeric labels in a row: an address turned round, as block lists and reverse zones write it. */
  quads = false;
  /** Labels that are digits only, next to the left end: counters. */
  counter = false;
  /** A single case change inside a label is typing; many are an alphabet of 52 letters. */
  caseChanges = 0;
  longestLabel = 0;
  underscore = false;
  /** Index of the rightmost label that looks like data; -1 where none does. */
  lastDataLabel = -1;
}

/** Bits above which a label counts as data: a label of a benign name gets there once in some hundred. */
const LABEL_DATA_BITS = calibration.labelDataBits;
/** Shorter labels are abbreviations of people as often as codes. */
const LABEL_DATA_LENGTH = 6;
/**
 * Service labels that the model takes for data: of IANA's registry of underscored names (RFC 8552), of services asked for by SRV
 * and of a domain's controllers ([MS-ADTS] 6.3.2.3).
 */
const serviceLabels = new Set(
  '_msdcs _ldaps _kpasswd _vlmcs _nfsv4-xattr _h323ls _h323cs _turns _caldav _caldavs _carddav _carddavs _pop3s _mta-sts _smtp-tlsrpt _report _openpgpkey _https _secure-mqtt _coaps _sftp-ssh _pkixrep _pgpkeys _iris-lwz'
    .split(' ')
    .map((label) => hashLowerCased(Buffer.from(label), 0, label.length)),
);

/** Measures the labels [0, m.payloadLabels) whose offsets are in m.starts. */
export function measureLabels(bytes: Uint8Array, m: NameMeasure): void {
  m.payloadBytes = 0;
  m.dataBits = 0;
  m.dataBytes = 0;
  m.carriedBytes = 0;
  m.rawBytes = 0;
  m.oddBytes = 0;
  m.quads = false;
  m.counter = false;
  m.caseChanges = 0;
  m.longestLabel = 0;
  m.underscore = false;
  m.lastDataLabel = -1;
  let numeric = 0;
  for (let l = 0; l < m.payloadLabels; l++) {
    const at = m.starts[l]!;
    const length = bytes[at]!;
    const end = at + 1 + length;
    let previous = 0;
    let eighths = 0;
    let hex = 0;
    let digits = 0;
    let odd = 0;
    let raw = 0;
    let changes = 0;
    let lastCase = -1;
    let uppers = 0;
    for (let i = at + 1; i < end; i++) {
      const upper = bytes[i]!;
      const c = LOWER[upper]!;
      const s = symbolOf[c]!;
      eighths += cost[previous * SYMBOLS + s]!;
      previous = s;
      hex += isHex[c]!;
      if (s >= 27 && s <= 36) digits += 1;
      else if (s >= 1 && s <= 26) {
        const isUpper = upper !== c ? 1 : 0;
        uppers += isUpper;
        if (lastCase >= 0 && isUpper !== lastCase) changes += 1;
        lastCase = isUpper;
      } else if (s === 39) {
        if (c < 0x21 || c > 0x7e) raw += 1;
        else if (length > 1) odd += 1;
      }
    }
    eighths += cost[previous * SYMBOLS]!;
    const isUnderscored = bytes[at + 1] === 0x5f;
    if (isUnderscored) m.underscore = true;
    const isService = isUnderscored && serviceLabels.has(hashLowerCased(bytes, at + 1, length));
    m.payloadBytes += length;
    if (length > m.longestLabel) m.longestLabel = length;
    m.rawBytes += raw;
    m.oddBytes += odd;
    m.caseChanges += changes;
    if (digits === length) {
      numeric += 1;
      if (numeric >= 4 && length <= 3) m.quads = true;
      if (l <= 1) m.counter = true;
      // Digits carry log2(10) bits each; as counters and addresses they say nothing about coding.
      m.carriedBytes += (length * 3.32) / 8;
      continue;
    }
    numeric = 0;
    // Mixed case carries a bit more a character, once it is more than the first letter of words.
    const mixed = changes >= 3 && uppers >= 2;
    const perChar = raw > 0 ? 7 : hex === length ? 4 : odd > 0 || mixed ? 6 : 5;
    const uniform = hex === length ? 4 : 5.17;
    const bits = eighths / 8 - uniform * length;
    if (!isService && ((bits >= LABEL_DATA_BITS && length >= LABEL_DATA_LENGTH) || (raw > 0 && length >= 4))) {
      m.dataBits += Math.max(bits, 0);
      m.dataBytes += length;
      m.carriedBytes += (length * perChar) / 8;
      m.lastDataLabel = l;
    } else m.carriedBytes += (length * 1.5) / 8;
  }
}
