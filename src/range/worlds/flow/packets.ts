// Talks as real packets: TCP with hand-shakes and TLS records, datagrams for UDP and QUIC, look-ups at the city's resolver.
import type { Random } from '#lib/random';
import { DnsType, dnsAnswer, dnsQuery } from '../../encode/dns.ts';
import { ipText, ipv4, udpFrame } from '../../encode/ethernet.ts';
import { type Emit, TcpConnection } from '../../encode/tcp.ts';
import { applicationData, clientHello, serverFlight } from '../../encode/tls.ts';
import { publicAddress } from '../net.ts';
import { type Ask, roundTripOf, sortSteps, type Talk } from './talk.ts';

export const resolver = ipv4('10.1.0.53');

export function writeAsk(random: Random, ask: Ask, emit: Emit, onFrame?: (frame: number) => void): void {
  const id = random.integer(1, 65_535);
  const port = random.integer(49_152, 65_000);
  emit(ask.at, udpFrame(ask.client, port, resolver, 53, dnsQuery(id, ask.name, DnsType.A)), onFrame);
  const records = [{ type: DnsType.A, ttl: 300, data: ipText(publicAddress(ask.name)) }];
  emit(
    ask.at + random.integer(300, 20_000),
    udpFrame(resolver, 53, ask.client, port, dnsAnswer(id, ask.name, DnsType.A, 0, records)),
  );
}

/** Writes a talk step by step: gives the time of the step that comes next, so that long talks are interleaved with others. */
export function writeTalk(
  random: Random,
  talk: Talk,
  emit: Emit,
  onFrame?: (frame: number) => void,
): Generator<number, void> {
  sortSteps(talk);
  return talk.wire === 'udp' || talk.wire === 'quic'
    ? datagrams(random, talk, emit, onFrame)
    : connection(random, talk, emit, onFrame);
}

function* connection(
  random: Random,
  talk: Talk,
  emit: Emit,
  onFrame?: (frame: number) => void,
): Generator<number, void> {
  const tcp = new TcpConnection(emit, talk.client, talk.clientPort, talk.server, talk.serverPort, roundTripOf(talk));
  // Segments of one step can't begin before those of the step before it ended.
  let t = tcp.open(talk.openAt, onFrame);
  let isHello = talk.wire === 'tls';
  let isFlight = talk.wire === 'tls';
  const { steps } = talk;
  for (let k = 0; k < steps.length; k += 3) {
    yield steps[k]!;
    for (const side of [1, 2] as const) {
      const bytes = steps[k + side]!;
      if (bytes <= 0) continue;
      const fromClient = side === 1;
      let data: Uint8Array;
      if (isHello && fromClient) {
        data = clientHello(random, talk.name);
        isHello = false;
      } else if (isFlight && !fromClient) {
        data = serverFlight(random, bytes - 140);
        isFlight = false;
      } else data = applicationData(random, bytes);
      t = tcp.send(Math.max(t, steps[k]!), fromClient, data, k % 15 === 0);
    }
  }
  yield Math.max(t, talk.closeAt);
  tcp.close(Math.max(t, talk.closeAt));
}

const DATAGRAM = 1200;
/** Long header, version 1 (RFC 9000 17.2), then opaque octets: as an observer without keys sees it. */
function* datagrams(
  random: Random,
  talk: Talk,
  emit: Emit,
  onFrame?: (frame: number) => void,
): Generator<number, void> {
  let isFirst = true;
  const { steps } = talk;
  for (let k = 0; k < steps.length; k += 3) {
    yield steps[k]!;
    let t = steps[k]!;
    for (const side of [1, 2] as const) {
      for (let left = steps[k + side]!; left > 0; left -= DATAGRAM) {
        const body = new Uint8Array(Math.min(left, DATAGRAM));
        random.fill(body);
        if (talk.wire === 'quic') body[0] = 0x40 | (body[0]! & 0x3f);
        else if (talk.serverPort === 123 && body.length === 48) body[0] = side === 1 ? 0x23 : 0x24;
        if (isFirst && talk.wire === 'quic') body.set([0xc3, 0, 0, 0, 1, 8], 0);
        const frame =
          side === 1
            ? udpFrame(talk.client, talk.clientPort, talk.server, talk.serverPort, body)
            : udpFrame(talk.server, talk.serverPort, talk.client, talk.clientPort, body);
        emit(t, frame, isFirst ? onFrame : undefined);
        isFirst = false;
        t += 30;
      }
    }
  }
}
