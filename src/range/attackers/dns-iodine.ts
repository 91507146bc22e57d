// iodine's protocol 0x502: a packet tunnel. Handshake by first letters v l y z s o r n, then data whose first character is
// the user in hex, three characters of header and a counter, and pings 'p' that wait for data down (lazy mode).
// Source: the protocol's published description, doc/proto_00000502.txt.
import { type Answer, a, cname, mx, opaque, Rtype, srv, txt, wireName } from '../worlds/dns/answers.ts';
import type { Exchange } from '../worlds/dns/exchange.ts';
import { attackOf, type DnsAttack, type DnsPlace, roomBeside, type Sender } from './dns-attack.ts';
import { type Codec, codecs, dotted, encodeBits } from './dns-codecs.ts';

export interface IodineOptions {
  readonly type: 'NULL' | 'PRIVATE' | 'TXT' | 'CNAME' | 'MX' | 'SRV' | 'A';
  /** Codec of the names once it has been agreed. */
  readonly up: 'base32' | 'base64' | 'base128';
  readonly upBytes: number;
  /** Pings between two packets, one each second or so. */
  readonly idlePings?: number;
}

const dataCodec = { base32: codecs.iodine32, base64: codecs.iodine64, base128: codecs.iodine128 } as const;
const switchTo = { base32: '5', base64: '6', base128: '7' } as const;
/** Names whose echo tells which characters survive the way (upstream codec check). */
const echoTests = [
  'aA-Aaahhh-Drink-mal-ein-J\xe4germeister-',
  'aA-La-fl\xfbte-na\xefve-fran\xe7aise-est-retir\xe9-\xe0-Cr\xe8te',
  'aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ',
];

export function iodine(place: DnsPlace, options: IodineOptions): DnsAttack {
  const facts = { what: 'dns-tunnel', tool: 'iodine', payloadBytes: options.upBytes };
  return attackOf(place, facts, (sender, payload) => run(sender, payload, options));
}

function* run(sender: Sender, payload: Uint8Array, options: IodineOptions): Generator<Exchange> {
  const { random, place } = sender;
  const type = Rtype[options.type];
  sender.udpBytesMax = 4096;
  let counter = random.integer(0, 32_767);
  const tag = (): string => encodeBits(codecs.iodine32, Uint8Array.of(counter >>> 8, counter++ & 255)).slice(0, 3);
  const answer = (data: Uint8Array): readonly Answer[] => downstream(type, data);
  const text = (t: string): Uint8Array => Uint8Array.from(t, (c) => c.charCodeAt(0));
  const step = (micros = 25_000): void => sender.wait(micros, 0.4);

  const version = Uint8Array.of(0, 0, 5, 2, counter >>> 8, counter & 255);
  yield sender.send(`v${encodeBits(codecs.iodine32, version)}`, type, answer(text('VACK\x11\x22\x33\x44\x00')), 0, 0);
  step();
  yield sender.send(
    `l${encodeBits(codecs.iodine32, Uint8Array.of(0, ...sender.bytes(16), 0, 1))}`,
    type,
    answer(text('10.99.0.1-10.99.0.2-1130-27')),
    0,
    0,
  );
  step();
  yield sender.send(`yr${tag()}`, type, answer(sender.bytes(48)), 0, 0);
  for (const test of echoTests) {
    step();
    yield sender.send(`z${tag()}${test}`, type, answer(text(test)), 0, 0);
  }
  step();
  yield sender.send(`s0${switchTo[options.up]}${tag()}`, type, answer(text(options.up)), 0, 0);
  step();
  yield sender.send(`o0l${tag()}`, type, answer(text('Lazy')), 0, 0);
  for (const size of [768, 1152, 1344]) {
    step();
    const fits = Math.min(size, downRoom(type));
    yield sender.send(
      `r0${encodeBits(codecs.iodine32, Uint8Array.of(size >>> 8, size & 255))}${tag()}`,
      type,
      answer(sender.bytes(fits)),
      0,
      0,
    );
  }
  step();
  yield sender.send(`n0${tag()}`, type, answer(Uint8Array.of(4, 0)), 0, 0);

  const codec: Codec = dataCodec[options.up];
  // Five characters lead, and each 57 of the rest cost a dot.
  const room = roomBeside(place.zone);
  const characters = Math.min(200, Math.floor(((room - 5) * 57) / 58) - 1);
  const perName = Math.floor((characters * codec.bits) / 8);
  const pings = options.idlePings ?? 3;
  let sequence = 0;
  for (let o = 0; o < payload.length; o += perName) {
    step(40_000);
    const chunk = payload.subarray(o, o + perName);
    const down = sender.bytes(random.integer(20, Math.min(400, downRoom(type))));
    // User 0, fragment header of three characters, and a counter out of the letters.
    const lead = `0${encodeBits(codecs.iodine32, Uint8Array.of((sequence & 7) << 5, sequence & 255)).slice(0, 3)}${String.fromCharCode(97 + (sequence % 26))}`;
    sequence += 1;
    yield sender.send(dotted(lead + encodeBits(codec, chunk), 57), type, answer(down), chunk.length, down.length);
    for (let p = random.integer(0, pings); p > 0; p--) {
      step(1_000_000);
      // Lazy mode: the server answers when it has something, or after some seconds.
      yield sender.send(`p${tag()}${tag()}`, type, answer(sender.bytes(2)), 0, 0, random.integer(100_000, 3_500_000));
    }
  }
}

/** Octets that an answer of the type can carry here. */
function downRoom(type: number): number {
  return type === Rtype.NULL || type === Rtype.PRIVATE ? 1100 : type === Rtype.TXT ? 600 : type === Rtype.A ? 4 : 120;
}

/** NULL and PRIVATE raw, TXT behind a letter for its codec, names behind h (base32) as iodine writes hostnames. */
function downstream(type: number, data: Uint8Array): readonly Answer[] {
  if (type === Rtype.NULL || type === Rtype.PRIVATE) return [opaque(type, data, 0)];
  const cut = data.subarray(0, downRoom(type));
  if (type === Rtype.TXT) return [txt(`t${encodeBits(codecs.iodine32, cut)}`, 0)];
  if (type === Rtype.A) return [a(0x7f000000 | (cut[0] ?? 1), 0)];
  const name = wireName(`${dotted(`h${encodeBits(codecs.iodine32, cut)}`, 57)}.x`);
  if (type === Rtype.CNAME) return [cname(name, 0)];
  if (type === Rtype.MX) return [mx(10, name, 0)];
  return [srv(10, 5060, name, 0)];
}
