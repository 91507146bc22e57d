// A bench of flows and operations for the two detectors of this folder.
import { City } from '#city';
import {
  FlowBatch,
  FlowPhase,
  FlowState,
  OperationAct,
  OperationBatch,
  OperationProtocol,
  OperationRole,
  parseAddress,
} from '#events';
import type { Finding } from '#findings';
import type { Detector, DetectorKind } from '../contract.ts';

type CityFile = ConstructorParameters<typeof City>[0];

const micros = (seconds: number): number => 1.7e15 + Math.round(seconds * 1e6);

export interface FlowRow {
  at: number;
  from?: string;
  to?: string;
  service?: number;
  port?: number;
  up?: number;
  down?: number;
  state?: keyof typeof FlowState;
  /** A whole flow, closed, unless said otherwise. */
  phase?: keyof typeof FlowPhase;
  /** Rows of one flow have one number, and octets so far. */
  flow?: number;
  /** The same for the two sensors that see a flow. */
  clientPort?: number;
}
export interface OperationRow {
  at: number;
  from?: string;
  to?: string;
  protocol: keyof typeof OperationProtocol;
  act?: keyof typeof OperationAct;
  role?: keyof typeof OperationRole;
  code?: number;
  object?: string;
  user?: string;
  unit?: number;
  number?: number;
  count?: number;
  status?: number;
}

export class Bench {
  readonly claims = new Map<string, Finding>();
  detector: Detector;
  readonly #kind: DetectorKind;
  readonly #city: City;
  readonly #flows = new FlowBatch();
  readonly #operations = new OperationBatch();
  #place = 0;
  #port = 0;

  readonly coverage: string[] = [];
  readonly #evidenceAll: boolean;
  readonly #up = new Map<number, number>();

  constructor(kind: DetectorKind, file: CityFile = {}, evidenceAll = false) {
    this.#kind = kind;
    this.#evidenceAll = evidenceAll;
    this.#city = new City(file, '.');
    this.detector = this.#create();
  }

  #create(): Detector {
    return this.#kind.create({
      city: this.#city,
      evidenceAll: this.#evidenceAll,
      claim: (f) => void this.claims.set(f.id, f),
      cover: (x) => void this.coverage.push(x.what),
    });
  }

  restart(): void {
    const state: unknown = JSON.parse(JSON.stringify(this.detector.snapshot()));
    this.detector = this.#create();
    this.detector.restore(state);
  }

  get all(): Finding[] {
    return [...this.claims.values()];
  }

  flow(r: FlowRow): void {
    const b = this.#flows;
    b.count = 1;
    b.origin = { file: 'test.pcap', placed: 'frame' };
    b.at[0] = micros(r.at + 1);
    b.firstAt[0] = micros(r.at);
    b.lastAt[0] = micros(r.at + 1);
    b.place[0] = ++this.#place;
    b.phase[0] = FlowPhase[r.phase ?? 'Close'];
    b.flow[0] = r.flow ?? 1e6 + this.#place;
    parseAddress(r.from ?? '10.0.1.4', b.addresses, 0);
    parseAddress(r.to ?? '10.0.1.6', b.addresses, 4);
    b.originatorPort[0] = r.clientPort ?? 20_000 + (++this.#port % 40_000);
    b.responderPort[0] = r.port ?? 443;
    b.protocol[0] = 6;
    b.service[0] = r.service ?? 0;
    b.state[0] = FlowState[r.state ?? 'SF'];
    const up = r.up ?? 500;
    b.originatorPayloadBytes[0] = up;
    b.originatorPayloadDelta[0] = up - (this.#up.get(b.flow[0]!) ?? 0);
    this.#up.set(b.flow[0]!, up);
    b.responderPayloadBytes[0] = r.down ?? 500;
    this.detector.observe(b);
    b.addresses.fill(0xa5a5a5a5, 0, 8);
  }

  operation(r: OperationRow): void {
    const b = this.#operations;
    b.count = 0;
    b.origin = { file: 'test.pcap', placed: 'frame' };
    const i = b.begin(
      OperationProtocol[r.protocol],
      OperationAct[r.act ?? 'Other'],
      OperationRole[r.role ?? 'Request'],
      r.code ?? 0,
    );
    b.at[i] = micros(r.at);
    b.place[i] = ++this.#place;
    parseAddress(r.from ?? '10.0.1.4', b.addresses, 0);
    parseAddress(r.to ?? '10.0.1.6', b.addresses, 4);
    b.unit[i] = r.unit ?? 0;
    if (r.number !== undefined) b.objectNumber[i] = r.number;
    b.objectCount[i] = r.count ?? 0;
    if (r.status !== undefined) b.status[i] = r.status;
    b.setObjectText(i, r.object ?? '');
    b.setUserText(i, r.user ?? '');
    b.count = 1;
    this.detector.observe(b);
    b.bytes.fill(0xa5, 0, 512);
    b.addresses.fill(0xa5a5a5a5, 0, 8);
  }
}
