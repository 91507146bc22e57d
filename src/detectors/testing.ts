// Flow rows for the tests of detectors on flows: a writer that owns nothing and spoils its batch after each row.
import { City } from '#city';
import { FlowBatch, FlowPhase, FlowState, parseAddress } from '#events';
import type { Finding } from '#findings';
import type { Detector, DetectorKind } from './contract.ts';

export type CityFile = ConstructorParameters<typeof City>[0];

export interface Row {
  /** Seconds: when the flow began, and when this row's last packet came. */
  firstAt?: number;
  at: number;
  /** Where the row tells of what comes after it, as a log's line does; `at` where it is not told. */
  lastAt?: number;
  phase?: keyof typeof FlowPhase;
  flow: number;
  from?: string;
  to?: string;
  fromPort?: number;
  toPort?: number;
  protocol?: number;
  service?: number;
  state?: keyof typeof FlowState;
  /** Payload since the flow's last row, by the originator and by the responder. */
  up?: number;
  down?: number;
  /** Payload so far; that of this row where it is not told. */
  upTotal?: number;
  downTotal?: number;
  name?: string;
}

/** A detector with what it claimed. Time advances to each row. */
export class FlowBench {
  readonly claims = new Map<string, Finding>();
  claimCount = 0;
  detector: Detector;
  readonly #kind: DetectorKind;
  readonly #city: City;
  readonly #evidenceAll: boolean;
  readonly #batch = new FlowBatch();
  #place = 0;

  constructor(kind: DetectorKind, file: CityFile = {}, evidenceAll = false) {
    this.#kind = kind;
    this.#city = new City(file, '.');
    this.#evidenceAll = evidenceAll;
    this.detector = this.#create();
  }

  #create(): Detector {
    return this.#kind.create({
      city: this.#city,
      evidenceAll: this.#evidenceAll,
      claim: (f) => {
        this.claimCount += 1;
        this.claims.set(f.id, f);
      },
      cover: () => {},
    });
  }

  row(r: Row): void {
    const b = this.#batch;
    b.count = 1;
    b.origin = { file: 'test.pcap', placed: 'frame' };
    const micros = (seconds: number): number => 1.7e15 + Math.round(seconds * 1e6);
    this.detector.advance(micros(r.at));
    b.at[0] = micros(r.at);
    b.firstAt[0] = micros(r.firstAt ?? r.at);
    b.lastAt[0] = micros(r.lastAt ?? r.at);
    b.place[0] = ++this.#place;
    b.lastPlace[0] = this.#place;
    b.flow[0] = r.flow;
    b.phase[0] = FlowPhase[r.phase ?? 'Close'];
    if (!parseAddress(r.from ?? '10.0.0.1', b.addresses, 0)) throw new Error(`no address: ${r.from}`);
    if (!parseAddress(r.to ?? '192.0.2.1', b.addresses, 4)) throw new Error(`no address: ${r.to}`);
    // Each connection takes a port of its own, as a host's would.
    b.originatorPort[0] = r.fromPort ?? 40_000 + (r.flow % 20_000);
    b.responderPort[0] = r.toPort ?? 443;
    b.protocol[0] = r.protocol ?? 6;
    b.service[0] = r.service ?? 0;
    b.state[0] = FlowState[r.state ?? 'SF'];
    b.originatorPayloadDelta[0] = r.up ?? 0;
    b.responderPayloadDelta[0] = r.down ?? 0;
    b.originatorPayloadBytes[0] = r.upTotal ?? r.up ?? 0;
    b.responderPayloadBytes[0] = r.downTotal ?? r.down ?? 0;
    const name = Buffer.from(r.name ?? '');
    b.bytes.set(name, 50);
    b.nameOffset[0] = 50;
    b.nameBytes[0] = name.length;
    this.detector.observe(b);
    b.bytes.fill(0xa5, 0, 400);
    b.addresses.fill(0xa5a5a5a5, 0, 8);
    b.lastAt[0] = Number.NaN;
  }

  /** Event time goes on without rows. */
  wait(seconds: number): void {
    this.detector.advance(1.7e15 + seconds * 1e6);
  }

  /** The detector goes on in another process: its state through JSON into a new one. */
  restart(): void {
    const state: unknown = JSON.parse(JSON.stringify(this.detector.snapshot()));
    this.detector = this.#create();
    this.detector.restore(state);
  }

  get all(): Finding[] {
    return [...this.claims.values()];
  }
}
