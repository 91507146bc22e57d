// Who writes to controllers. A first write or command from a host that never wrote, a function that a known writer never used,
// engineering (stop, restart, download) whoever does it, and GOOSE whose state number falls or whose publisher changes.
import {
  type EventBatch,
  evidenceOf,
  formatAddress,
  OperationAct,
  OperationBatch,
  OperationProtocol,
  OperationRole,
} from '#events';
import { bitsToConfidence, type Evidence, type Finding, findingId, type Reason } from '#findings';
import { addressHash } from '#lib/address';
import type { Detector, DetectorCard, DetectorContext, DetectorKind } from '../contract.ts';
import calibration from './calibration.json' with { type: 'json' };
import { assetOf } from './claim.ts';
import { downloads, functionName, protocolNames, stops } from './plant-words.ts';

const c = calibration;
const VERSION = 1;
const PAIRS_MAX = 20_000;
const SERVERS_MAX = 20_000;
const FUNCTIONS_MAX = 64;
const BLOCKS_MAX = 4096;
const CLAIMS_MAX = 512;
const LEARN_MICROS = 6 * 3600e6;
/** A publisher silent this long may have been started anew (IEC 61850-8-1, 18.1.2.5: stNum 1 after a start). */
const SILENT_MICROS = 600e6;

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
interface Block {
  stNum: number;
  sqNum: number;
  at: number;
  publisher: number;
}
interface Claim {
  readonly client: string;
  readonly server: string;
  readonly protocol: number;
  readonly firstAt: number;
  lastAt: number;
  alertAt: number;
  count: number;
  bits: number;
  reasons: Reason[];
  evidence: Evidence[];
}

const card: DetectorCard = {
  name: 'plant-writer',
  plane: 'flow',
  family: 'plant',
  behaviour:
    'A host that never did writes to a controller or commands it, uses a function it never used, stops, restarts or loads it; or a GOOSE publisher’s state number falls.',
  takes: ['operation'],
  scope: 'city',
  techniques: ['T0855', 'T0831', 'T0816', 'T0858', 'T0843', 'T0856'],
  cannotSee: [
    'A wrong value written by the host that always writes.',
    'What S7 plus, OPC UA and others say behind their keys.',
    'Writes of the first six hours, which are taken for the plant’s habit (engineering is told from the first).',
  ],
  innocentCauses: [
    'Maintenance from the engineering station (say so by its role in city.yaml).',
    'A new operator station; a hand-over to the redundant server.',
    'A device that was started anew.',
  ],
  firstSteps: [
    'Ask the control room whether work on this controller is under way.',
    'Read the program and the mode of the controller and compare them with the store.',
    'Close the way by the record if nobody knows of it.',
  ],
  memoryBound: `${PAIRS_MAX} pairs with ${FUNCTIONS_MAX} functions, ${SERVERS_MAX} controllers, ${BLOCKS_MAX} control blocks, ${CLAIMS_MAX} claims; the oldest goes`,
};

export const plantWriter: DetectorKind = { card, create: (context) => new PlantWriter(context) };

class PlantWriter implements Detector {
  shed = 0;
  readonly #context: DetectorContext;
  #firstAt = Number.POSITIVE_INFINITY;
  readonly #pairs = new Map<number, Pair>();
  readonly #servers = new Map<number, Server>();
  readonly #blocks = new Map<number, Block>();
  readonly #claims = new Map<string, Claim>();

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
      if (protocol === OperationProtocol.Goose) this.#goose(batch, i, at);
      else if (batch.role[i] === OperationRole.Request) this.#request(batch, i, protocol, at);
    }
  }

  #request(batch: OperationBatch, i: number, protocol: number, at: number): void {
    const w = 8 * i;
    const client = addressHash(batch.addresses, w);
    const serverHash = addressHash(batch.addresses, w + 4);
    const key = client * 0x200000 + ((serverHash ^ Math.imul(protocol, 0x9e3779b1)) >>> 11);
    let pair = this.#pairs.get(key);
    const isNew = pair === undefined;
    if (pair === undefined) {
      this.#room(this.#pairs, PAIRS_MAX);
      pair = { firstAt: at, wroteAt: -1, functions: [] };
      this.#pairs.set(key, pair);
    }
    const code = batch.code[i]!;
    const newFunction = !pair.functions.includes(code);
    if (newFunction && pair.functions.length < FUNCTIONS_MAX) pair.functions.push(code);
    const act = batch.act[i]!;
    if (act < OperationAct.Write) return;
    let server = this.#servers.get(serverHash);
    if (server === undefined) {
      this.#room(this.#servers, SERVERS_MAX);
      server = { writer: client, wroteAt: at };
      this.#servers.set(serverHash, server);
    }
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
      if (isNew) say(c.plantNewHost, 'the host never spoke to it before');
      if (server.writer !== client && at - server.wroteAt >= LEARN_MICROS)
        say(c.plantOtherWriter, 'another host writes to it since long');
    } else if (newFunction) say(c.plantNewFunction, `a writer since long uses a function it never used: ${name}`);
    const from = formatAddress(batch.addresses, w);
    const role = this.#context.city.assetByIp(from)?.role ?? '';
    if (/engineering|maintenance/.test(role))
      say(c.plantEngineeringRole, 'the source is an engineering station by its role');
    this.#claim(
      batch,
      i,
      from,
      formatAddress(batch.addresses, w + 4),
      protocol,
      reasons,
      `${from}>${serverHash}|${protocol}`,
    );
  }

  #goose(batch: OperationBatch, i: number, at: number): void {
    const key = hash(batch.bytes, batch.objectOffset[i]!, batch.objectBytes[i]!) * 0x10000 + batch.unit[i]!;
    const stNum = batch.objectNumber[i]!;
    const sqNum = batch.objectCount[i]!;
    const publisher = addressHash(batch.addresses, 8 * i);
    const before = this.#blocks.get(key);
    if (before === undefined) {
      this.#room(this.#blocks, BLOCKS_MAX);
      this.#blocks.set(key, { stNum, sqNum, at, publisher });
      return;
    }
    const reasons: Reason[] = [];
    const say = (bits: number, text: string): void => void reasons.push({ text, bits });
    const silent = at - before.at >= SILENT_MICROS;
    if (publisher !== before.publisher && !silent)
      say(c.goosePublisher, 'another station publishes the same control block');
    // After a start a publisher counts from one again (IEC 61850-8-1, 18.1.2.5).
    const started = stNum <= 1 && sqNum <= 1 && (stNum < before.stNum || sqNum < before.sqNum);
    if (silent) {
      // It may have been started anew unseen.
    } else if (started) say(c.gooseRestart, `stNum and sqNum begin anew after ${before.stNum}, as after a start`);
    else if (stNum < before.stNum)
      say(c.gooseFell, `stNum fell from ${before.stNum} to ${stNum}, which no publisher does`);
    else if (stNum === before.stNum && sqNum < before.sqNum && sqNum !== 0)
      say(c.gooseRepeat, `sqNum fell from ${before.sqNum} to ${sqNum} in one state: an old message`);
    // A forged state must not become the measure of the true ones.
    if (reasons.length === 0 || stNum > before.stNum || silent || started) {
      before.stNum = stNum;
      before.sqNum = sqNum;
      before.publisher = publisher;
    }
    before.at = at;
    if (reasons.length === 0) return;
    const from = formatAddress(batch.addresses, 8 * i);
    this.#claim(batch, i, from, batch.objectText(i), OperationProtocol.Goose, reasons, `goose|${key}`);
  }

  #room(map: Map<number | string, unknown>, max: number): void {
    if (map.size < max) return;
    map.delete(map.keys().next().value!);
    this.shed += 1;
  }

  #claim(
    batch: OperationBatch,
    i: number,
    client: string,
    server: string,
    protocol: number,
    reasons: readonly Reason[],
    key: string,
  ): void {
    const at = batch.at[i]!;
    const evidence: Evidence = {
      ...evidenceOf(batch.origin, batch.place[i]!),
      flow: `${client}:${batch.clientPort[i]} > ${server}:${batch.serverPort[i]}`,
    };
    let claim = this.#claims.get(key);
    if (claim === undefined) {
      this.#room(this.#claims, CLAIMS_MAX);
      claim = {
        client,
        server,
        protocol,
        firstAt: at,
        lastAt: at,
        alertAt: 0,
        count: 0,
        bits: 0,
        reasons: [],
        evidence: [],
      };
      this.#claims.set(key, claim);
    }
    claim.count += 1;
    claim.lastAt = Math.max(claim.lastAt, at);
    // Each reason once, at its strongest.
    let grew = false;
    for (const r of reasons) {
      const known = claim.reasons.find((k) => k.text === r.text);
      if (known !== undefined || claim.reasons.length >= 16) continue;
      claim.reasons.push(r);
      grew = true;
    }
    if (!grew) return;
    if (claim.evidence.length < 16) claim.evidence.push(evidence);
    // Of what is done only the worst counts in full; each further kind adds one bit.
    const positive = claim.reasons
      .filter((r) => r.bits > 0)
      .map((r) => r.bits)
      .sort((a, b) => b - a);
    const alone = reasons.filter((r) => r.bits > 0).reduce((sum, r) => sum + r.bits, 0);
    const negative = Math.min(0, ...claim.reasons.map((r) => r.bits));
    const bits = Math.max(alone, (positive[0] ?? 0) + Math.min(4, positive.length - 1)) + negative;
    if (bits <= claim.bits) return;
    claim.bits = bits;
    if (bits < c.mediumBits) return;
    if (claim.alertAt === 0) claim.alertAt = at;
    this.#context.claim(findingOf(this.#context, claim));
  }

  advance(): void {}

  snapshot(): unknown {
    return {
      version: VERSION,
      shed: this.shed,
      firstAt: this.#firstAt === Number.POSITIVE_INFINITY ? null : this.#firstAt,
      pairs: [...this.#pairs],
      servers: [...this.#servers],
      blocks: [...this.#blocks],
      claims: [...this.#claims],
    };
  }

  restore(state: unknown): void {
    const s = structuredClone(state) as {
      version: number;
      shed: number;
      firstAt: number | null;
      pairs: [number, Pair][];
      servers: [number, Server][];
      blocks: [number, Block][];
      claims: [string, Claim][];
    };
    if (s?.version !== VERSION) throw new Error(`plant-writer: state of version ${s?.version}, not ${VERSION}`);
    this.shed = s.shed;
    this.#firstAt = s.firstAt ?? Number.POSITIVE_INFINITY;
    for (const map of [this.#pairs, this.#servers, this.#blocks, this.#claims]) map.clear();
    for (const [k, v] of s.pairs) this.#pairs.set(k, v);
    for (const [k, v] of s.servers) this.#servers.set(k, v);
    for (const [k, v] of s.blocks) this.#blocks.set(k, v);
    for (const [k, v] of s.claims) this.#claims.set(k, v);
  }
}

function hash(b: Uint8Array, at: number, length: number): number {
  let h = 0x811c9dc5;
  for (let i = at; i < at + length; i++) h = Math.imul(h ^ b[i]!, 0x01000193);
  return h >>> 0;
}

function findingOf(context: DetectorContext, claim: Claim): Finding {
  const goose = claim.protocol === OperationProtocol.Goose;
  const asset = assetOf(context.city, goose ? claim.client : claim.server);
  const subject = {
    type: 'asset',
    value: goose ? claim.server : (context.city.assetByIp(claim.client)?.id ?? claim.client),
  } as const;
  const reasons = [...claim.reasons].sort((a, b) => b.bits - a.bits);
  const name = protocolNames[claim.protocol] ?? '';
  return {
    kind: 'finding',
    id: findingId('plant-writer', subject, asset, claim.evidence[0]!),
    plane: 'flow',
    detector: 'plant-writer',
    family: 'plant',
    title: goose
      ? `GOOSE of ${claim.server} is not what its publisher would send`
      : `${subject.value} acts on ${asset.id ?? claim.server} by ${name} as it never did`,
    severity: claim.bits >= c.highBits ? 'high' : 'medium',
    confidence: bitsToConfidence(claim.bits, c.priorBits),
    bits: claim.bits,
    asset,
    subject,
    firstAt: claim.firstAt,
    at: claim.alertAt,
    lastAt: claim.lastAt,
    techniques: goose
      ? ['T0856']
      : reasons.some((r) => r.bits === c.plantStop || r.bits === c.plantDownload)
        ? ['T0816', 'T0843']
        : ['T0855'],
    reasons,
    evidence: [...claim.evidence],
    count: claim.count,
    response: goose
      ? []
      : [{ type: 'nft', record: `add element inet parapet denied { ${claim.client} . ${claim.server} timeout 4h }` }],
    links: goose ? [] : [`ip:${claim.client}`],
  };
}
