// Who writes to controllers. A first write or command from a host that never wrote, a function that a known writer never used,
// engineering (stop, restart, download) whoever does it, and GOOSE whose state number falls or whose publisher changes.
import {
  type EventBatch,
  formatAddress,
  OperationAct,
  OperationBatch,
  OperationProtocol,
  OperationRole,
} from '#events';
import type { Reason } from '#findings';
import { addressHash } from '#lib/address';
import { BoundedMap } from '../bounded-map.ts';
import type { Detector, DetectorContext, DetectorKind } from '../contract.ts';
import calibration from './calibration.json' with { type: 'json' };
import { blockOf, Goose } from './goose.ts';
import { BLOCKS_MAX, card, FUNCTIONS_MAX, PAIRS_MAX, SERVERS_MAX } from './plant-card.ts';
import { Claims } from './plant-claim.ts';
import { downloads, functionName, stops } from './plant-words.ts';

const c = calibration;
const VERSION = 1;
const LEARN_MICROS = 6 * 3600e6;

interface Pair {
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
  readonly #pairs = new BoundedMap<number, Pair>(PAIRS_MAX, this.#drop);
  readonly #servers = new BoundedMap<number, Server>(SERVERS_MAX, this.#drop);
  readonly #goose = new Goose(BLOCKS_MAX, this.#drop);
  readonly #claims: Claims;

  constructor(context: DetectorContext) {
    this.#context = context;
    this.#claims = new Claims(context, this.#drop);
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
    }
  }

  #request(batch: OperationBatch, i: number, protocol: number, at: number): void {
    const w = 8 * i;
    const client = addressHash(batch.addresses, w);
    const serverHash = addressHash(batch.addresses, w + 4);
    const key = client * 0x200000 + ((serverHash ^ Math.imul(protocol, 0x9e3779b1)) >>> 11);
    const before = this.#pairs.get(key);
    const pair = before ?? this.#pairs.add(key, { firstAt: at, wroteAt: -1, functions: [] });
    const code = batch.code[i]!;
    const newFunction = !pair.functions.includes(code);
    if (newFunction && pair.functions.length < FUNCTIONS_MAX) pair.functions.push(code);
    const act = batch.act[i]!;
    if (act < OperationAct.Write) return;
    const server = this.#servers.get(serverHash) ?? this.#servers.add(serverHash, { writer: client, wroteAt: at });
    const learned = at - this.#firstAt >= LEARN_MICROS;
    const engineering = act === OperationAct.Engineering;
    const firstWrite = pair.wroteAt < 0;
    if (firstWrite) pair.wroteAt = at;
    // The quiet case: a writer since long, with a function since long.
    if (!engineering && (!learned || (!firstWrite && !newFunction))) return;
    const reasons: Reason[] = [];
    const say = (bits: number, text: string): void => void reasons.push({ text, bits });
    const name = functionName(protocol, code, batch.objectText(i));
    if (engineering) {
      const stop = stops(protocol, code, batch.objectText(i));
      const download = downloads(protocol, code, batch.objectText(i));
      say(
        stop ? c.plantStop : download ? c.plantDownload : c.plantEngineering,
        `${name}: ${stop ? 'the controller stops, restarts or loses its state' : download ? 'its program is changed' : 'the controller itself is worked on'}`,
      );
      if (learned && newFunction) say(c.plantFirstEngineering, 'this host never did that to it before');
    } else if (firstWrite) {
      say(c.plantFirstWrite, `first write or command of this host to this controller: ${name}`);
      if (before === undefined) say(c.plantNewHost, 'the host never spoke to it before');
      if (server.writer !== client && at - server.wroteAt >= LEARN_MICROS)
        say(c.plantOtherWriter, 'another host writes to it since long');
    } else if (newFunction) say(c.plantNewFunction, `a writer since long uses a function it never used: ${name}`);
    const from = formatAddress(batch.addresses, w);
    const role = this.#context.city.assetByIp(from)?.role ?? '';
    if (/engineering|maintenance/.test(role))
      say(c.plantEngineeringRole, 'the source is an engineering station by its role');
    const to = formatAddress(batch.addresses, w + 4);
    this.#claims.grow(batch, i, from, to, protocol, reasons, `${from}>${serverHash}|${protocol}`);
  }

  #message(batch: OperationBatch, i: number): void {
    const key = blockOf(batch, i);
    const reasons = this.#goose.judge(key, batch, i);
    if (reasons.length === 0) return;
    const from = formatAddress(batch.addresses, 8 * i);
    this.#claims.grow(batch, i, from, batch.objectText(i), OperationProtocol.Goose, reasons, `goose|${key}`);
  }

  advance(): void {}

  snapshot(): unknown {
    return {
      version: VERSION,
      shed: this.shed,
      firstAt: this.#firstAt === Number.POSITIVE_INFINITY ? null : this.#firstAt,
      pairs: [...this.#pairs],
      servers: [...this.#servers],
      blocks: [...this.#goose],
      claims: [...this.#claims],
    };
  }

  restore(state: unknown): void {
    const s = state as Record<string, unknown> & { version: number; shed: number; firstAt: number | null };
    if (s?.version !== VERSION) throw new Error(`plant-writer: state of version ${s?.version}, not ${VERSION}`);
    this.shed = s.shed;
    this.#firstAt = s.firstAt ?? Number.POSITIVE_INFINITY;
    this.#pairs.load(s.pairs);
    this.#servers.load(s.servers);
    this.#goose.load(s.blocks);
    this.#claims.load(s.claims);
  }
}
