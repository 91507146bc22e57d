// Tunnels and file senders of known families other than iodine, from their public descriptions: dnscat2, dns2tcp,
// OzymanDNS and sods, DNSExfiltrator, dnsteal.
import { gzipSync } from 'node:zlib';
import { type Answer, cname, mx, opaque, Rtype, txt, wireName } from '../worlds/dns/answers.ts';
import type { Exchange } from '../worlds/dns/exchange.ts';
import { addressOf, attackOf, type DnsAttack, type DnsPlace, roomBeside } from './dns-attack.ts';
import { codecs, dotted, encodeBits } from './dns-codecs.ts';

/**
 * dnscat2 (doc/protocol.md): hex of id u16, type u8 (00 SYN, 01 MSG, 02 FIN, 03 ENC), conversation u16, then sequence and
 * acknowledgement and data; TXT, CNAME and MX in turn; polls each second or so when idle.
 */
export function dnscat2(
  place: DnsPlace,
  options: { upBytes: number; encrypted: boolean; idlePolls?: number; prefix?: string },
): DnsAttack {
  const facts = { what: 'dns-tunnel', tool: 'dnscat2', payloadBytes: options.upBytes };
  return attackOf(place, facts, function* (sender, payload) {
    const { random } = sender;
    const conversation = random.integer(0, 65_535);
    const lead = options.prefix === undefined ? '' : `${options.prefix}.`;
    const packet = (type: number, body: Uint8Array): Uint8Array => {
      const id = random.integer(0, 65_535);
      return Uint8Array.of(id >>> 8, id & 255, type, conversation >>> 8, conversation & 255, ...body);
    };
    const exchange = (type: number, body: Uint8Array, up: number, downBytes: number): Exchange => {
      const down = packet(type, sender.bytes(downBytes));
      const hex = encodeBits(codecs.hex, down);
      const target = (): Uint8Array => wireName(`${dotted(hex, 60)}.${place.zone}`);
      const qtype = random.pick([Rtype.TXT, Rtype.CNAME, Rtype.MX]);
      const answer =
        qtype === Rtype.TXT ? txt(hex, 60) : qtype === Rtype.CNAME ? cname(target(), 60) : mx(10, target(), 60);
      const labels = lead + dotted(encodeBits(codecs.hex, packet(type, body)), 60);
      return sender.send(labels, qtype, [answer], up, Math.max(0, downBytes - (type === 1 ? 4 : downBytes)));
    };
    if (options.encrypted) {
      // The key exchange carries an uncompressed P-256 point in two halves.
      yield exchange(3, sender.bytes(68), 0, 68);
      sender.wait(300_000);
      yield exchange(3, sender.bytes(36), 0, 36);
      sender.wait(300_000);
    }
    yield exchange(0, Uint8Array.of(0x12, 0x34, 0, 0), 0, 4);
    const perName = Math.floor((roomBeside(place.zone) - lead.length - 6) / 2) - 9 - 4;
    const step = Math.min(perName, 96);
    let sequence = 0x1234;
    for (let o = 0; o < payload.length; o += step) {
      sender.wait(350_000, 0.5);
      const chunk = payload.subarray(o, o + step);
      yield exchange(
        1,
        Uint8Array.of(sequence >>> 8, sequence & 255, 0, 1, ...chunk),
        chunk.length,
        4 + random.integer(0, 60),
      );
      sequence = (sequence + chunk.length) & 0xffff;
      for (let p = random.integer(0, options.idlePolls ?? 4); p > 0; p--) {
        sender.wait(1_000_000, 0.05);
        yield exchange(1, Uint8Array.of(sequence >>> 8, sequence & 255, 0, 1), 0, 4);
      }
    }
    sender.wait(300_000);
    yield exchange(2, Uint8Array.of(0x62, 0x79, 0x65, 0), 0, 0);
  });
}

/** dns2tcp: `<base64>.=auth.<zone>`, `=connect`, then data behind an eight-octet header; TXT or KEY. */
export function dns2tcp(place: DnsPlace, options: { type: 'TXT' | 'KEY'; upBytes: number }): DnsAttack {
  const facts = { what: 'dns-tunnel', tool: 'dns2tcp', payloadBytes: options.upBytes };
  return attackOf(place, facts, function* (sender, payload) {
    const { random } = sender;
    const type = Rtype[options.type];
    const text = (s: string): Uint8Array => Uint8Array.from(s, (c) => c.charCodeAt(0));
    const answer = (body: Uint8Array): readonly Answer[] =>
      type === Rtype.TXT
        ? [txt(`A${encodeBits(codecs.base64, body)}`, 3)]
        : [opaque(type, Uint8Array.of(2, 0, 3, 0, ...body), 3)];
    const session = random.integer(1, 65_535);
    const header = (sequence: number, flags: number): Uint8Array =>
      Uint8Array.of(session >>> 8, session & 255, 0, 0, sequence >>> 8, sequence & 255, flags, 4);
    const name = (body: Uint8Array): string => dotted(encodeBits(codecs.base64, body), 63);
    yield sender.send(`${name(header(0, 0))}.=auth`, type, answer(text(encodeBits(codecs.hex, sender.bytes(8)))), 0, 0);
    sender.wait(30_000);
    const proof = text(encodeBits(codecs.hex, sender.bytes(20)));
    yield sender.send(`${name(Uint8Array.of(...header(1, 1), ...proof))}.=auth`, type, answer(header(1, 1)), 0, 0);
    sender.wait(30_000);
    yield sender.send(
      `${name(Uint8Array.of(...header(2, 1), ...text('ssh')))}.=connect`,
      type,
      answer(header(2, 1)),
      0,
      0,
    );
    const perName = Math.min(110, Math.floor(((roomBeside(place.zone) - 4) * 3) / 4) - 8);
    let sequence = 3;
    for (let o = 0; o < payload.length; o += perName) {
      sender.wait(60_000, 0.6);
      const chunk = payload.subarray(o, o + perName);
      const down = sender.bytes(random.integer(10, 160));
      yield sender.send(
        name(Uint8Array.of(...header(sequence++ & 0xffff, 4), ...chunk)),
        type,
        answer(Uint8Array.of(...header(sequence, 4), ...down)),
        chunk.length,
        down.length,
      );
    }
  });
}

/**
 * OzymanDNS: up `<base32>[.<base32>].<offset>-<nonce>.id-<id>.up.<zone>` type A, down `<offset>-<nonce>.id-<id>.down.<zone>`
 * TXT; sods, its successor, takes the answers also as CNAME or NULL. Begins with an SSH banner.
 */
export function ozyman(
  place: DnsPlace,
  options: { down: 'TXT' | 'CNAME' | 'NULL'; upBytes: number; downBytes: number },
): DnsAttack {
  const tool = options.down === 'TXT' ? 'ozymandns' : 'sods';
  const facts = { what: 'dns-tunnel', tool, payloadBytes: options.upBytes };
  return attackOf(place, facts, function* (sender, payload) {
    const { random } = sender;
    payload.set(Buffer.from('SSH-2.0-OpenSSH_9.6\r\n').subarray(0, payload.length));
    const type = Rtype[options.down];
    const id = random.integer(1000, 60_000);
    const nonce = (): number => random.integer(0, 65_535);
    let sent = 0;
    let got = 0;
    while (sent < payload.length || got < options.downBytes) {
      if (got < options.downBytes) {
        const down = sender.bytes(Math.min(110, options.downBytes - got));
        const answer =
          type === Rtype.TXT
            ? txt(encodeBits(codecs.base64, down), 0)
            : type === Rtype.NULL
              ? opaque(type, down, 0)
              : cname(wireName(`${dotted(encodeBits(codecs.base32, down), 62)}.${place.zone}`), 0);
        yield sender.send(`${got}-${nonce()}.id-${id}.down`, type, [answer], 0, down.length);
        got += down.length;
        sender.wait(40_000, 0.5);
      }
      if (sent < payload.length) {
        const chunk = payload.subarray(sent, sent + 110);
        const labels = dotted(encodeBits(codecs.base32, chunk), 62);
        yield sender.send(
          `${labels}.${nonce()}-${sent}.id-${id}.up`,
          Rtype.A,
          [addressOf(place.zone, 0)],
          chunk.length,
          0,
        );
        sent += chunk.length;
        sender.wait(40_000, 0.5);
      }
    }
  });
}

/** DNSExfiltrator: `init.<base32(file|chunks)>.<codec>.<zone>`, then `<n>.<base64url...>.<zone>`, TXT. */
export function dnsExfiltrator(
  place: DnsPlace,
  options: { file: string; bytes: number; gapMicros?: number },
): DnsAttack {
  const facts = { what: 'dns-exfiltration', tool: 'dnsexfiltrator', payloadBytes: options.bytes };
  return attackOf(place, facts, function* (sender, payload) {
    const perName = Math.floor(((roomBeside(place.zone) - 10) * 63) / 64 / 4) * 3;
    const chunks = Math.ceil(payload.length / perName);
    const announced = Buffer.from(`${options.file}|${chunks}`);
    const init = encodeBits(codecs.base32, announced).toUpperCase();
    yield sender.send(`init.${dotted(init, 63)}.base64`, Rtype.TXT, [txt('OK', 0)], announced.length, 2);
    for (let n = 0; n < chunks; n++) {
      sender.wait(options.gapMicros ?? 60_000, 0.3);
      const chunk = payload.subarray(n * perName, (n + 1) * perName);
      const labels = dotted(encodeBits(codecs.base64url, chunk), 63);
      yield sender.send(`${n}.${labels}`, Rtype.TXT, [txt(String(n), 0)], chunk.length, 0);
    }
  });
}

/** dnsteal: labels of base64 of the gzipped file with `*` for `+` and `-` at each label's end, file name last; type A. */
export function dnsteal(place: DnsPlace, options: { file: string; bytes: number; gapMicros?: number }): DnsAttack {
  const facts = { what: 'dns-exfiltration', tool: 'dnsteal', payloadBytes: options.bytes };
  return attackOf(place, facts, function* (sender, payload) {
    const packed = gzipSync(payload, { level: 6 });
    // The header's last octet names the system that packed; the same everywhere here.
    packed[9] = 3;
    const tail = `.${options.file}`;
    const room = roomBeside(place.zone) - tail.length;
    const labelsPerName = Math.max(1, Math.min(3, Math.floor(room / 62)));
    const width = Math.min(57, Math.floor(room / labelsPerName) - 2);
    const text = packed.toString('base64').replaceAll('+', '*');
    const perName = width * labelsPerName;
    for (let o = 0; o < text.length; o += perName) {
      const part = text.slice(o, o + perName);
      const labels = (part.match(new RegExp(`.{1,${width}}`, 'g')) ?? []).map((l) => `${l}-`).join('.');
      // What a name carries is its share of the file.
      const before = Math.round((payload.length * o) / text.length);
      const after = Math.round((payload.length * Math.min(text.length, o + perName)) / text.length);
      yield sender.send(labels + tail, Rtype.A, [addressOf(place.zone, 0)], after - before, 0);
      sender.wait(options.gapMicros ?? 80_000, 0.3);
    }
  });
}
