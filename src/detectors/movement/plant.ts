// Who writes to controllers. A first write or command from a host that never wrote, a function that a known writer never used,
// engineering (stop, restart, download, a password) whoever does it, too many or broken requests, and GOOSE whose state
// number falls or whose publisher changes.
import {
  type EventBatch,
  evidenceOf,
  formatAddress,
  OperationAct,
  OperationBatch,
  OperationProtocol,
  OperationRole,
} from '#events';
import { addressHash } from '#lib/address';
import { BoundedMap } from '../bounded-map.ts';
import type { Detector, DetectorContext, DetectorKind } from '../contract.ts';
import { Growing, type Signed } from '../growing.ts';
import calibration from './calibration.json' with { type: 'json' };
import { blockOf, Goose } from './goose.ts';
import { BLOCKS_MAX, CLAIMS_MAX, card, FUNCTIONS_MAX, PAIRS_MAX, SERVERS_MAX } from './plant-card.ts';
import { plantFinding } from './plant-claim.ts';
import { type SignName, signed } from './plant-signs.ts';
import { Effect, effectOf, functionName, protocolNames } from './plant-words.ts';
import { noPressure, type Pressure, pressedBy, refusedOf } from './pressure.ts';

const VERSION = 2;
const LEARN_MICROS = 6 * 3600e6;

const effects: Readonly<Record<number, readonly [sign: SignName, text: string]>> = {
  [Effect.Works]: ['engineering', 'the controller itself is worked on'],
  [Effect.Stops]: ['stop', 'the controller stops, starts or loses its state'],
  [Effect.Loads]: ['download', 'its program is changed'],
  [Effect.Moves]: ['move', 'its address or name is changed, and who polls it loses it'],
  [Effect.Unlocks]: ['unlock', 'what protects its program is opened'],
};

interface Pair extends Pressure {
  readonly firstAt: number;
  wroteAt: number;
  readonly functions: number[];
}
interface Server {
  /** Hash of the host that wrote first, and when; whether others wrote too. */
  writer: number;
  wroteAt: number;
}

export const plantWriter: DetectorKind = { card, create: (context) => new PlantWriter(context) };

class PlantWriter implements Detector {
  shed = 0;
  readonly #drop = (): void => {
    this.shed += 1;
  };
  readonly #context: DetectorContext;
  #firstAt = Number.POSITIVE_INFINITY;
  /** Whether any answer was seen: a capture may have one side only. */
  #answers = false;
  readonly #pairs = new BoundedMap<number, Pair>(PAIRS_MAX, this.#drop);
  readonly #servers = new BoundedMap<number, Server>(SERVERS_MAX, this.#drop);
  readonly #goose = new Goose(BLOCKS_MAX, this.#drop);
  readonly #claims = new Growing(CLAIMS_MAX, this.#drop, calibration.mediumBits);

  constructor(context: DetectorContext) {
    this.#context = context;
  }

  observe(batch: EventBatch): void {
    if (!(batch instanceof OperationBatch)) return;
    for (let i = 0; i < batch.count; i++) {
      const protocol = batch.protocol[i]!;
      // MQTT's writers are judged by the gateway, which knows what each may publish.
      if (protocol >= OperationProtocol.Smb || protocol === OperationProtocol.Mqtt) continue;
      const at = batch.at[i]!;
      if (at < this.#firstAt) this.#firstAt = at;
      if (protocol === OperationProtocol.Goose) this.#message(batch, i);
      else if (batch.role[i] === OperationRole.Request) this.#request(batch, i, protocol, at);
      else if (batch.role[i] === OperationRole.Response) this.#answer(batch, i, protocol);
    }
  }

  #request(batch: OperationBatch, i: number, protocol: number, at: number): void {
    const w = 8 * i;
    const client = addressHash(batch.addresses, w);
    const serverHash = addressHash(batch.addresses, w + 4);
    const key = pairOf(client, serverHash, protocol);
    const before = this.#pairs.get(key);
    const pair = before ?? this.#pairs.add(key, { firstAt: at, wroteAt: -1, functions: [], ...noPressure() });
    const code = batch.code[i]!;
    const pressed = pressedBy(pair, code, at, protocolNames[protocol] ?? '', this.#answers);
    if (pressed !== undefined) this.#claim(batch, i, protocol, [pressed]);
    const newFunction = !pair.functions.includes(code);
    if (newFunction && pair.functions.length < FUNCTIONS_MAX) pair.functions.push(code);
    const act = batch.act[i]!;
    const effect =
      act === OperationAct.Engineering || act === OperationAct.Login
        ? effectOf(protocol, code, batch.objectText(i), batch.objectNumber[i]!)
        : Effect.Works;
    if (act < OperationAct.Write && effect !== Effect.Unlocks) return;
    const server = this.#servers.get(serverHash) ?? this.#servers.add(serverHash, { writer: client, wroteAt: at });
    const learned = at - this.#firstAt >= LEARN_MICROS;
    const engineering = act === OperationAct.Engineering || effect === Effect.Unlocks;
    const firstWrite = pair.wroteAt < 0;
    if (firstWrite) pair.wroteAt = at;
    // The quiet case: a writer since long, with a function since long.
    if (!engineering && (!learned || (!firstWrite && !newFunction))) return;
    const reasons: Signed[] = [];
    const say = (sign: SignName, text: string): void => void reasons.push(signed(sign, text));
    const name = functionName(protocol, code, batch.objectText(i), batch.objectNumber[i]!);
    if (engineering) {
      const [sign, text] = effects[effect]!;
      say(sign, `${name}: ${text}`);
      if (learned && newFunction) say('firstEngineering', 'this host never did that to it before');
    } else if (firstWrite) {
      say('firstWrite', `first write or command of this host to this controller: ${name}`);
      if (before === undefined) say('newHost', 'the host never spoke to it before');
      if (server.writer !== client && at - server.wroteAt >= LEARN_MICROS)
        say('otherWriter', 'another host writes to it since long');
    } else if (newFunction) say('newFunction', `a writer since long uses a function it never used: ${name}`);
    this.#claim(batch, i, protocol, reasons);
  }

  #answer(batch: OperationBatch, i: number, protocol: number): void {
    this.#answers = true;
    const w = 8 * i;
    const key = pairOf(addressHash(batch.addresses, w), addressHash(batch.addresses, w + 4), protocol);
    const pair = this.#pairs.get(key);
    if (pair === undefined) return;
    pair.open = 0;
    const isRefusal = batch.status[i]! > 0 && batch.act[i] === OperationAct.Login;
    if (!isRefusal || effectOf(protocol, batch.code[i]!, '', -1) !== Effect.Unlocks) return;
    const reason = refusedOf(pair);
    if (reason !== undefined) this.#claim(batch, i, protocol, [reason]);
  }

  #claim(batch: OperationBatch, i: number, protocol: number, reasons: Signed[]): void {
    const w = 8 * i;
    const from = formatAddress(batch.addresses, w);
    const to = formatAddress(batch.addresses, w + 4);
    const role = this.#context.city.assetByIp(from)?.role ?? '';
    if (/engineering|maintenance/.test(role))
      reasons.push(signed('engineeringRole', 'the source is an engineering station by its role'));
    this.#tell(batch, i, from, to, protocol, reasons, `${from}>${to}|${protocol}`);
  }

  #message(batch: OperationBatch, i: number): void {
    const key = blockOf(batch, i);
    const reasons = this.#goose.judge(key, batch, i);
    if (reasons.length === 0) return;
    const from = formatAddress(batch.addresses, 8 * i);
    this.#tell(batch, i, from, batch.objectText(i), OperationProtocol.Goose, reasons, `goose|${key}`);
  }

  #tell(
    batch: OperationBatch,
    i: number,
    client: string,
    server: string,
    protocol: number,
    reasons: readonly Signed[],
    key: string,
  ): void {
    const flow = `${client}:${batch.clientPort[i]} > ${server}:${batch.serverPort[i]}`;
    const evidence = { ...evidenceOf(batch.origin, batch.place[i]!), flow };
    const claim = this.#claims.grow(key, batch.at[i]!, reasons, evidence);
    if (claim !== undefined) this.#context.claim(plantFinding(this.#context, claim, client, server, protocol));
  }

  advance(): void {}

  snapshot(): unknown {
    return {
      version: VERSION,
      shed: this.shed,
      firstAt: this.#firstAt === Number.POSITIVE_INFINITY ? null : this.#firstAt,
      answers: this.#answers,
      pairs: [...this.#pairs],
      servers: [...this.#servers],
      blocks: [...this.#goose],
      claims: [...this.#claims],
    };
  }

  restore(state: unknown): void {
    const s = state as Record<string, unknown> & {
      version: number;
      shed: number;
      firstAt: number | null;
      answers: boolean;
    };
    if (s?.version !== VERSION) throw new Error(`plant-writer: state of version ${s?.version}, not ${VERSION}`);
    this.shed = s.shed;
    this.#firstAt = s.firstAt ?? Number.POSITIVE_INFINITY;
    this.#answers = s.answers;
    this.#pairs.load(s.pairs);
    this.#servers.load(s.servers);
    this.#goose.load(s.blocks);
    this.#claims.load(s.claims);
  }
}

function pairOf(client: number, server: number, protocol: number): number {
  return client * 0x200000 + ((server ^ Math.imul(protocol, 0x9e3779b1)) >>> 11);
}
