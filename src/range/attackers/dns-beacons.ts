// Orders over DNS: what a beacon asks is small, what it gets back matters.
import { a, cname, Rtype, txt, wireName } from '../worlds/dns/answers.ts';
import { addressOf, attackOf, type DnsAttack, type DnsPlace } from './dns-attack.ts';
import { codecs, dotted, encodeBits } from './dns-codecs.ts';

/**
 * A beacon after Cobalt Strike's DNS channel: an A question each sleep, idle answer 0.0.0.0 or the one set; where a task
 * waits, its size by A and the task in TXT under `api`; results leave under `post` as groups of hex labels.
 */
export function beacon(
  place: DnsPlace,
  options: { sleepMicros: number; jitter: number; idle?: number; tasks: number; resultBytes: number },
): DnsAttack {
  const facts = {
    what: 'dns-command-and-control',
    tool: 'cobalt-strike',
    payloadBytes: options.tasks * options.resultBytes,
  };
  return attackOf(place, facts, function* (sender, payload) {
    const { random } = sender;
    const id = encodeBits(codecs.hex, sender.bytes(4)).replace(/^0/, '1');
    const idle = [a(options.idle ?? 0, 60)];
    const span = place.untilMicros - place.fromMicros;
    const polls = Math.max(1, Math.floor(span / options.sleepMicros));
    const due = new Set(
      Array.from({ length: options.tasks }, (_, i) => Math.floor(((i + 0.5) * polls) / options.tasks)),
    );
    let sent = 0;
    for (let poll = 0; sender.at < place.untilMicros; poll++) {
      const task = due.has(poll);
      yield sender.send(id, Rtype.A, task ? [a(0xf3, 60)] : idle, 0, task ? 4 : 0);
      if (task) {
        const bytes = random.integer(80, 400);
        const number = encodeBits(codecs.hex, sender.bytes(4));
        sender.wait(300_000);
        yield sender.send(`api.0${number}.${id}`, Rtype.A, [a(bytes, 60)], 0, 4);
        for (let o = 0, n = 1; o < bytes; o += 180, n++) {
          sender.wait(200_000);
          const part = sender.bytes(Math.min(180, bytes - o));
          yield sender.send(
            `api.${n}${number}.${id}`,
            Rtype.TXT,
            [txt(encodeBits(codecs.base64, part), 60)],
            0,
            part.length,
          );
        }
        const end = Math.min(payload.length, sent + options.resultBytes);
        for (let n = 1; sent < end; n++) {
          sender.wait(250_000);
          const chunk = payload.subarray(sent, Math.min(end, sent + 56));
          const labels = chunk.length > 28 ? 2 : 1;
          const hex = dotted(encodeBits(codecs.hex, chunk), 56);
          yield sender.send(`post.${labels}${hex}.${n}${number}.${id}`, Rtype.A, idle, chunk.length, 0);
          sent += chunk.length;
        }
      }
      sender.wait(options.sleepMicros, options.jitter);
    }
  });
}

/**
 * A supply-chain implant that asks one name of a list each half hour or so; the answer is an address out of a block that
 * tells it what to do, and for chosen targets an alias. Names hold the victim's domain, so each leaks its length.
 * @param names whole host names or labels; the zone is put behind those that don't end in it
 */
export function sleeper(place: DnsPlace, options: { names: readonly string[]; gapMicros?: number }): DnsAttack {
  return attackOf(place, { what: 'dns-command-and-control', tool: 'sunburst' }, function* (sender) {
    const { random } = sender;
    const suffix = `.${place.zone}`;
    for (const name of options.names) {
      const labels = name.toLowerCase().endsWith(suffix) ? name.slice(0, -suffix.length) : name;
      const chosen = random.chance(0.05);
      const answer = chosen
        ? [cname(wireName(`cdn.${place.zone.split('.').at(-2)}-edge.example`), 300), a(0xc6121010, 60)]
        : [a(0xc612_2000 | random.integer(0, 255), 60)];
      const data = Math.floor(((labels.split('.')[0] ?? '').length * 5) / 8);
      yield sender.send(labels, Rtype.A, answer, data, chosen ? 4 : 1);
      sender.wait(options.gapMicros ?? 1800e6, 0.4);
    }
  });
}

/** Orders come down in answers to tiny names (`l.17.ns`): nearly nothing up. A spends four octets an answer. */
export function downstreamOrders(
  place: DnsPlace,
  options: { type: 'TXT' | 'A'; downBytes: number; gapMicros: number },
): DnsAttack {
  return attackOf(place, { what: 'dns-command-and-control' }, function* (sender) {
    const perAnswer = options.type === 'TXT' ? 84 : 12;
    for (let got = 0, n = 0; got < options.downBytes; n++) {
      const part = sender.bytes(Math.min(perAnswer, options.downBytes - got));
      got += part.length;
      const answers =
        options.type === 'TXT'
          ? [txt(encodeBits(codecs.base64, part), 1)]
          : Array.from({ length: Math.ceil(part.length / 4) }, (_, i) => {
              const word = [0, 1, 2, 3].map((k) => part[4 * i + k] ?? 0);
              return a(((word[0]! << 24) | (word[1]! << 16) | (word[2]! << 8) | word[3]!) >>> 0, 1);
            });
      yield sender.send(`l.${n}.ns`, Rtype[options.type], answers, 0, part.length);
      sender.wait(options.gapMicros, 0.2);
    }
  });
}

/** A zone whose one name points outside first and into the site a moment later (DNS rebinding): TTL 0 or 1. */
export function rebinding(place: DnsPlace, options: { targets: readonly number[]; rounds: number }): DnsAttack {
  return attackOf(place, { what: 'dns-rebinding' }, function* (sender) {
    const { random } = sender;
    for (let round = 0; round < options.rounds; round++) {
      const label = encodeBits(codecs.hex, sender.bytes(4));
      yield sender.send(label, Rtype.A, [addressOf(place.zone, 1)], 0, 0);
      sender.wait(4_000_000);
      yield sender.send(label, Rtype.A, [a(random.pick(options.targets), 0)], 0, 0);
      sender.wait(40_000_000, 0.5);
    }
  });
}
