// Two ways for data to leave or to be carried on: a day's octets to the outside (volume.ts), and octets fetched from outside that
// are pushed to an inside host (passes.ts).
import { type EventBatch, FlowBatch, FlowPhase } from '#events';
import { isGroupAddress } from '#lib/address';
import { packColumn, unpackColumn } from '#lib/snapshot';
import type { PackedPairs } from '#lib/table';
import type { Detector, DetectorContext, DetectorKind } from '../contract.ts';
import { FlowNames } from '../flow-names.ts';
import { Outside } from '../outside.ts';
import { Users } from '../users.ts';
import { card, PEERS_BITS } from './card.ts';
import { Claims } from './claim.ts';
import { Passes } from './passes.ts';
import { Twice } from './twice.ts';
import { Volume } from './volume.ts';

const proxyPorts = new Set([3128, 8080, 8000, 1080]);

export const exfiltration: DetectorKind = { card, create: (context) => new Exfiltration(context) };

class Exfiltration implements Detector {
  readonly #context: DetectorContext;
  readonly #outside: Outside;
  readonly #names = new FlowNames();
  readonly #twice = new Twice();
  /** Hosts of ours that use a place, or an inside host by a service. */
  readonly #users = new Users(PEERS_BITS);
  readonly #claims: Claims;
  readonly #volume: Volume;
  readonly #passes: Passes;

  constructor(context: DetectorContext) {
    this.#context = context;
    this.#outside = new Outside(context.city);
    this.#claims = new Claims(context);
    this.#volume = new Volume(context, this.#names, this.#users, this.#claims);
    this.#passes = new Passes(context, this.#users, this.#claims);
  }

  get shed(): number {
    const { devices, peers } = this.#volume;
    return devices.table.shed + peers.table.shed + this.#users.table.shed + this.#claims.told.shed;
  }

  observe(batch: EventBatch): void {
    if (!(batch instanceof FlowBatch)) return;
    const { devices } = this.#volume;
    for (let i = 0; i < batch.count; i++) {
      const up = batch.originatorPayloadDelta[i]!;
      const down = batch.responderPayloadDelta[i]!;
      if (batch.phase[i] === FlowPhase.Open && batch.nameBytes[i]! > 0) this.#names.remember(batch, i);
      if (up + down === 0 || !this.#outside.isOurs(batch.addresses, 8 * i)) continue;
      if (isGroupAddress(batch.addresses, 8 * i + 4) || this.#twice.isTwice(batch, i)) continue;
      const inside = this.#outside.isOurs(batch.addresses, 8 * i + 4);
      const viaProxy = inside && proxyPorts.has(batch.responderPort[i]!) && this.#names.find(batch, i);
      const device = devices.slotOf(batch, i, this.#context.city);
      if (devices.isNew) this.#passes.clear(device);
      if (inside && !viaProxy) {
        if (batch.protocol[i] === 6) this.#passes.push(batch, i, device, up);
        continue;
      }
      if (down > 0) this.#passes.fetch(batch, i, device, down);
      if (up > 0) this.#volume.give(batch, i, device, up, down);
    }
  }

  advance(): void {}

  #columns(): ArrayBufferView[] {
    const { devices, peers } = this.#volume;
    return [...devices.columns, ...peers.columns, this.#users.hashes, ...this.#twice.columns];
  }

  snapshot(): unknown {
    return {
      version: 2,
      columns: this.#columns().map(packColumn),
      devices: this.#volume.devices.table.pack(),
      peers: this.#volume.peers.table.pack(),
      users: this.#users.table.pack(),
      names: this.#names.pack(),
      fetched: this.#passes.fetched.pack(),
      pushed: this.#passes.pushed.pack(),
      ...this.#claims.told.pack(),
    };
  }

  restore(state: unknown): void {
    const s = state as Record<string, unknown> & { version: number; columns: string[] };
    if (s.version !== 2) throw new Error(`exfiltration: state of version ${s.version} is not known`);
    for (const [k, column] of this.#columns().entries()) unpackColumn(s.columns[k], column);
    this.#volume.devices.table.unpack(s.devices as PackedPairs);
    this.#volume.peers.table.unpack(s.peers as PackedPairs);
    this.#users.table.unpack(s.users as PackedPairs);
    this.#names.unpack(s.names);
    this.#passes.fetched.unpack(s.fetched);
    this.#passes.pushed.unpack(s.pushed);
    this.#claims.told.unpack(s);
  }
}
