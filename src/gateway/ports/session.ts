// One client behind the gateway: every packet is parsed, decided and built anew, in both directions. The client's session
// ends with its connection: nothing is kept for later, so nothing kept can outlive a right (faults 4-6 and 9-12 of peers).
//   client --PUBLISH--> decide --QoS 0--> queue --> link          (what is under way is sent again after a reconnect)
//                        |------ command --> desk (never forwarded)
//   client <--queue-- decide <--PUBLISH-- link
import type { TLSSocket } from 'node:tls';
import type { Reading } from '#events';
import { parseReadings } from '../command.ts';
import type { Limits } from '../config.ts';
import {
  type Ack,
  type Connect,
  encode,
  Id,
  noProperties,
  numberOf,
  type Packet,
  type Property,
  type Publish,
  Reason,
  type Subscribe,
  type SubscribeAck,
  type Subscription,
  type Unsubscribe,
  type Will,
} from '../mqtt/index.ts';
import type { Denied, Grants } from '../policy.ts';
import { nameFault } from '../topics.ts';
import type { BrokerReturn } from './broker-return.ts';
import { BrokerLink, type LinkOptions } from './link.ts';
import { BoundedQueue, type Budget } from './queue.ts';

/** User property that says who published, set by the gateway alone: a client's own is taken off. */
export const AUTHOR = 'parapet-author';
/** The author of what the gateway itself sends. */
export const GATEWAY = 'gateway';
const aliasesMax = 16;
/** 3.1.1 has no receive maximum: past this many unanswered messages the client is cut off. */
const underWayMax = 1024;

export interface SessionWorld {
  readonly limits: Limits;
  readonly budget: Budget;
  readonly link: Omit<LinkOptions, 'clientId'>;
  /** Begins the client ids of our connections to the broker; random, so that two gateways never share one. */
  readonly linkName: string;
  readonly brokerReturn: BrokerReturn;
  isCommand(topic: string): boolean;
  isRevoked(id: string): boolean;
  /** Judges a command; resolves to the reason code of its acknowledgement. */
  command(publish: Publish, grants: Grants): Promise<number>;
  telemetry(readings: readonly Reading[], grants: Grants): void;
  denied(grants: Grants, what: string, text: string): void;
  shed(): void;
}

type UnderWay =
  | { readonly kind: 'publish'; readonly packet: Publish; readonly clientId: number; received: boolean }
  | { readonly kind: 'will' }
  | { readonly kind: 'resubscribe' }
  | {
      readonly kind: 'subscribe';
      readonly packet: Subscribe;
      readonly asked: Subscribe;
      readonly denied: readonly number[];
    }
  | { readonly kind: 'unsubscribe'; readonly packet: Unsubscribe };

export class Session {
  readonly grants: Grants;
  readonly clientId: string;
  readonly keepAliveSeconds: number;
  readonly #socket: TLSSocket;
  readonly #connect: Connect;
  readonly #world: SessionWorld;
  readonly #link: BrokerLink;
  readonly #toBroker: BoundedQueue<Publish>;
  readonly #toClient: BoundedQueue<Packet>;
  readonly #subscriptions = new Map<string, { readonly options: Subscription; readonly id: Property | undefined }>();
  readonly #aliases = new Map<number, string>();
  /** Client's packet id to the id towards the broker; -1 while queued, -2 where the gateway itself answers. */
  readonly #inbound = new Map<number, number>();
  readonly #underWay = new Map<number, UnderWay>();
  /** QoS 1 and 2 messages on their way to the client, by the broker's packet id. */
  readonly #outbound = new Map<number, 1 | 2>();
  readonly #receiveMaximum: number;
  readonly #packetBytesClient: number;
  #nextId = 0;
  #will: Will | undefined;
  #ended = false;
  #pausedByBroker = false;
  /** What was kept waits for the city's subscribers to be back. */
  #isKeeping = false;
  /** Counts the broker's returns: what was to be sent after an earlier one is not sent after this. */
  #returns = 0;

  constructor(
    socket: TLSSocket,
    connect: Connect,
    clientId: string,
    linkId: string,
    grants: Grants,
    world: SessionWorld,
  ) {
    this.grants = grants;
    this.clientId = clientId;
    this.#socket = socket;
    this.#connect = connect;
    this.#world = world;
    this.#will = connect.will;
    const { limits } = world;
    this.#receiveMaximum = limits.receiveMaximum;
    this.#packetBytesClient = numberOf(connect.properties, Id.MaximumPacketSize, 268_435_460);
    const wanted = connect.keepAlive === 0 ? limits.keepAliveSeconds : connect.keepAlive;
    this.keepAliveSeconds = Math.min(wanted, limits.keepAliveSeconds);
    this.#toBroker = new BoundedQueue(limits.queueBytes, world.budget, () => world.shed());
    this.#toClient = new BoundedQueue(limits.queueBytes, world.budget, () => world.shed());
    this.#connack();
    const receiveMaximum = numberOf(connect.properties, Id.ReceiveMaximum, 65_535);
    this.#link = new BrokerLink(
      { ...world.link, clientId: linkId, receiveMaximum: Math.min(receiveMaximum, limits.receiveMaximum) },
      {
        up: () => this.#brokerUp(),
        down: () => this.#brokerDown(),
        packet: (p) => this.#fromBroker(p),
        drain: () => this.#drainToBroker(),
      },
    );
    socket.on('drain', () => this.#drainToClient());
  }

  #connack(): void {
    const { limits } = this.#world;
    const properties: Property[] = [
      { id: Id.ReceiveMaximum, value: limits.receiveMaximum },
      { id: Id.MaximumPacketSize, value: limits.packetBytes },
      { id: Id.TopicAliasMaximum, value: aliasesMax },
    ];
    if (numberOf(this.#connect.properties, Id.SessionExpiry, 0) > 0)
      properties.push({ id: Id.SessionExpiry, value: 0 });
    if (this.#connect.clientId === '') properties.push({ id: Id.AssignedClientId, value: this.clientId });
    if (this.#connect.keepAlive !== this.keepAliveSeconds)
      properties.push({ id: Id.ServerKeepAlive, value: this.keepAliveSeconds });
    this.#write({ type: 'connack', sessionPresent: false, reason: 0, properties });
  }

  /** A packet from the client, after CONNECT. */
  fromClient(p: Packet) {
    if (this.#ended) return;
    if (this.grants.revoked) return this.end(Reason.Administrative, 'the identity is revoked', false);
    switch (p.type) {
      case 'publish':
        return this.#publish(p);
      case 'puback':
      case 'pubrec':
      case 'pubcomp':
        return this.#acknowledged(p);
      case 'pubrel': {
        const upId = this.#inbound.get(p.id);
        if (upId === undefined || upId === -1)
          return this.#write({ type: 'pubcomp', id: p.id, reason: Reason.PacketIdNotFound, properties: noProperties });
        if (upId === -2) {
          this.#inbound.delete(p.id);
          return this.#write({ type: 'pubcomp', id: p.id, reason: 0, properties: noProperties });
        }
        return this.#link.send({ ...p, id: upId, properties: noProperties });
      }
      case 'subscribe':
        return this.#subscribe(p);
      case 'unsubscribe': {
        for (const f of p.filters) this.#subscriptions.delete(f);
        const id = this.#takeId({ kind: 'unsubscribe', packet: p });
        if (this.#link.up) this.#link.send({ ...p, id, properties: noProperties });
        return;
      }
      case 'pingreq':
        return this.#write({ type: 'pingresp' });
      case 'disconnect':
        // 0x04: the client leaves and wants its will sent (section 3.14.2.1).
        return this.end(0, '', p.reason === 0x04);
      default:
        return this.end(Reason.ProtocolError, `${p.type} is not expected here`, true);
    }
  }

  #publish(wire: Publish) {
    const alias = numberOf(wire.properties, Id.TopicAlias, 0);
    let p = wire;
    if (alias > 0) {
      if (alias > aliasesMax) return this.end(Reason.TopicAliasInvalid, 'a topic alias past the maximum', true);
      if (p.topic !== '') this.#aliases.set(alias, p.topic);
      else {
        const topic = this.#aliases.get(alias);
        if (topic === undefined) return this.end(Reason.ProtocolError, 'a topic alias that was never set', true);
        p = { ...p, topic };
      }
    }
    if (p.qos > 0) {
      const known = this.#inbound.get(p.id);
      if (known !== undefined) {
        // Sent again while the first is under way: one entry an id, and one effect.
        const way = this.#underWay.get(known);
        if (known === -2 || (way?.kind === 'publish' && way.received))
          this.#write({ type: 'pubrec', id: p.id, reason: 0, properties: noProperties });
        return;
      }
      const most = this.#connect.version === 5 ? this.#receiveMaximum : underWayMax;
      if (this.#inbound.size >= most)
        return this.end(Reason.ReceiveMaximum, 'more messages under way than agreed', true);
    }
    const denied = this.grants.publish(p.topic, p.retain) ?? this.#responseDenied(p);
    if (denied !== undefined) return this.#deny(p, denied);
    if (this.#world.isCommand(p.topic)) return this.#command(p);
    if (/^[^/]+\/[^/]+\/reading$/.test(p.topic)) {
      const readings = parseReadings(p.payload);
      if ('fault' in readings) return this.#deny(p, { reason: Reason.PayloadFormat, text: readings.fault });
      const asset = p.topic.split('/')[1];
      if (readings.some((r) => r.asset !== asset))
        return this.#deny(p, {
          reason: Reason.PayloadFormat,
          text: 'a reading speaks for another asset than its topic',
        });
      this.#world.telemetry(readings, this.grants);
    }
    const properties = p.properties.filter((q) => q.id !== Id.TopicAlias && !isAuthor(q));
    const author: Property = { id: Id.UserProperty, value: [AUTHOR, this.grants.identity.id] };
    if (p.qos > 0) this.#inbound.set(p.id, -1);
    this.#toBroker.push({ ...p, dup: false, properties: [...properties, author] }, p.payload.length + 256, p.qos === 0);
    this.#drainToBroker();
  }

  /** A response topic makes a peer publish for the client: it must be one that the client may use itself. */
  #responseDenied(p: Publish): Denied | undefined {
    for (const q of p.properties) {
      if (q.id !== Id.ResponseTopic) continue;
      const topic = q.value as string;
      const denied = this.grants.publish(topic, false);
      if (denied !== undefined) return { reason: Reason.NotAuthorised, text: `response topic: ${denied.text}` };
      if (this.#world.isCommand(topic))
        return { reason: Reason.NotAuthorised, text: 'response topic: a command may not be a response' };
    }
    return undefined;
  }

  /** v5 says no by reason code; 3.1.1 has no word for it, so the connection is closed: a false yes would be worse. */
  #deny(p: Publish, denied: Denied) {
    this.#world.denied(this.grants, `publish ${p.topic.slice(0, 128)}`, denied.text);
    if (this.#connect.version === 4) return this.end(denied.reason, denied.text, true);
    if (p.qos === 0) return;
    // PUBACK and PUBREC have no 0x9A (section 3.4.2.1); the text says it.
    const reason = denied.reason === Reason.RetainNotSupported ? Reason.NotAuthorised : denied.reason;
    const properties = [{ id: Id.ReasonString, value: denied.text }];
    this.#write({ type: p.qos === 1 ? 'puback' : 'pubrec', id: p.id, reason, properties });
  }

  #command(p: Publish) {
    if (p.qos > 0) this.#inbound.set(p.id, -2);
    void this.#world.command(p, this.grants).then((reason) => {
      if (this.#ended || p.qos === 0) return;
      if (p.qos === 1 || reason >= 0x80) this.#inbound.delete(p.id);
      if (reason >= 0x80 && this.#connect.version === 4) {
        // The verdict topic says why; 3.1.1 has no other word (see #deny), but the command was answered, so stay.
        return this.#write({ type: p.qos === 1 ? 'puback' : 'pubrec', id: p.id, reason: 0, properties: noProperties });
      }
      this.#write({ type: p.qos === 1 ? 'puback' : 'pubrec', id: p.id, reason, properties: noProperties });
    });
  }

  #subscribe(p: Subscribe) {
    const denied = p.filters.map(({ filter }) => {
      const d = this.grants.subscribe(filter);
      if (d !== undefined) {
        this.#world.denied(this.grants, `subscribe ${filter.slice(0, 128)}`, d.text);
        return d.reason;
      }
      const isNew = !this.#subscriptions.has(filter);
      return isNew && this.#subscriptions.size >= this.#world.limits.subscriptions ? Reason.QuotaExceeded : 0;
    });
    const filters = p.filters
      .filter((_, i) => denied[i] === 0)
      // A repeat of a command at QoS 1 would act twice.
      .map((f) => (this.grants.reachesCommands(f.filter) ? { ...f, qos: 0 as const } : f));
    if (filters.length === 0)
      return this.#write({ type: 'suback', id: p.id, properties: noProperties, reasons: denied });
    const id = p.properties.find((q) => q.id === Id.SubscriptionId);
    for (const f of filters) this.#subscriptions.set(f.filter, { options: f, id });
    const packet: Subscribe = { ...p, properties: id === undefined ? noProperties : [id], filters };
    const upId = this.#takeId({ kind: 'subscribe', packet, asked: p, denied });
    if (this.#link.up) this.#link.send({ ...packet, id: upId });
  }

  #acknowledged(p: Ack) {
    const qos = this.#outbound.get(p.id);
    // Unknown after the broker was away: its new session knows nothing of it.
    if (qos === undefined) {
      if (p.type === 'pubrec')
        this.#write({ type: 'pubrel', id: p.id, reason: Reason.PacketIdNotFound, properties: noProperties });
      return;
    }
    if (p.type === 'puback' ? qos !== 1 : qos !== 2)
      return this.end(Reason.ProtocolError, 'an acknowledgement of another QoS', true);
    if (p.type !== 'pubrec' || p.reason >= 0x80) this.#outbound.delete(p.id);
    this.#link.send({ ...p, properties: noProperties });
  }

  #fromBroker(p: Packet) {
    if (this.#ended) return;
    switch (p.type) {
      case 'publish':
        return this.#deliver(p);
      case 'pubrel':
        if (this.#outbound.has(p.id)) this.#send({ ...p, properties: noProperties }, 16, false);
        else this.#link.send({ type: 'pubcomp', id: p.id, reason: Reason.PacketIdNotFound, properties: noProperties });
        return;
      case 'puback':
      case 'pubrec':
      case 'pubcomp': {
        const way = this.#underWay.get(p.id);
        if (way === undefined) return;
        if (p.type === 'pubrec' && p.reason < 0x80) {
          if (way.kind === 'publish') way.received = true;
          else this.#link.send({ type: 'pubrel', id: p.id, reason: 0, properties: noProperties });
        } else {
          this.#underWay.delete(p.id);
          if (way.kind === 'publish') this.#inbound.delete(way.clientId);
        }
        if (way.kind === 'publish') this.#send({ ...p, id: way.clientId, properties: noProperties }, 16, false);
        return this.#drainToBroker();
      }
      case 'suback':
      case 'unsuback':
        return this.#subscribed(p);
      case 'disconnect':
        return this.end(p.reason, 'the broker ended the session', true);
      default:
        return;
    }
  }

  #subscribed(p: SubscribeAck) {
    const way = this.#underWay.get(p.id);
    this.#underWay.delete(p.id);
    this.#maybeBack();
    if (way?.kind === 'unsubscribe')
      return this.#send({ ...p, id: way.packet.id, properties: noProperties }, 64, false);
    if (way?.kind !== 'subscribe') return;
    let next = 0;
    const reasons = way.denied.map((d, i) => {
      if (d !== 0) return d;
      const reason = p.reasons[next++] ?? Reason.Unspecified;
      if (reason >= 0x80) this.#subscriptions.delete(way.asked.filters[i]!.filter);
      return reason;
    });
    this.#send({ type: 'suback', id: way.asked.id, properties: noProperties, reasons }, 64, false);
  }

  #deliver(p: Publish) {
    const command = this.#world.isCommand(p.topic);
    const author = p.properties.find(isAuthor)?.value as readonly [string, string] | undefined;
    const withAuthors = this.#world.link.version === 5;
    const fits =
      nameFault(p.topic) === '' &&
      this.grants.deliver(p.topic) &&
      p.payload.length + p.topic.length + 512 < this.#packetBytesClient &&
      // Behind the gateway anyone on this machine may publish: a command counts only where the gateway sent it.
      (!withAuthors || !command || (author?.[1] === GATEWAY && !p.retain)) &&
      // A retained message may be older than a revocation.
      (author === undefined || !this.#world.isRevoked(author[1]));
    if (!fits) {
      if (p.qos > 0)
        this.#link.send({
          type: p.qos === 1 ? 'puback' : 'pubrec',
          id: p.id,
          reason: withAuthors ? Reason.NotAuthorised : 0,
          properties: noProperties,
        });
      return;
    }
    if (p.qos > 0) this.#outbound.set(p.id, p.qos as 1 | 2);
    this.#send(p, p.payload.length + 256, p.qos === 0 && !command);
  }

  // --- towards the client -------------------------------------------------------------------------------------------

  #send(p: Packet, bytes: number, sheddable: boolean) {
    if (this.#toClient.length === 0 && !this.#socket.writableNeedDrain) return this.#write(p);
    this.#toClient.push(p, bytes, sheddable);
    if (this.#toClient.full) this.#link.pause();
  }
  #drainToClient(): void {
    while (this.#toClient.length > 0 && !this.#socket.writableNeedDrain) this.#write(this.#toClient.shift()!);
    if (!this.#toClient.full) this.#link.resume();
  }
  #write(p: Packet): void {
    if (!this.#ended) this.#socket.write(encode(p, this.#connect.version));
  }

  // --- towards the broker -------------------------------------------------------------------------------------------

  #drainToBroker(): void {
    while (this.#link.up && !this.#isKeeping && !this.#link.clogged) {
      const p = this.#toBroker.peek();
      if (p === undefined || (p.qos > 0 && this.#underWay.size >= this.#link.receiveMaximum)) break;
      this.#toBroker.shift();
      if (p.qos === 0) this.#link.send(p);
      else {
        const id = this.#takeId({ kind: 'publish', packet: p, clientId: p.id, received: false });
        this.#inbound.set(p.id, id);
        this.#link.send({ ...p, id });
      }
    }
    // Back-pressure: what can't be dropped and can't be sent stays in the client's own socket.
    const stop = this.#toBroker.full || this.#link.clogged;
    if (stop !== this.#pausedByBroker) {
      this.#pausedByBroker = stop;
      if (stop) this.#socket.pause();
      else this.#socket.resume();
    }
  }

  #takeId(way: UnderWay): number {
    do this.#nextId = (this.#nextId % 65_535) + 1;
    while (this.#underWay.has(this.#nextId));
    this.#underWay.set(this.#nextId, way);
    return this.#nextId;
  }

  #brokerUp(): void {
    const { brokerReturn } = this.#world;
    brokerReturn.reached();
    const waiting = [...this.#underWay.values()];
    this.#underWay.clear();
    const kept: Publish[] = [];
    const isAsked = (filter: string): boolean =>
      waiting.some((w) => w.kind === 'subscribe' && w.packet.filters.some((f) => f.filter === filter));
    for (const [filter, s] of this.#subscriptions) {
      if (isAsked(filter)) continue;
      const id = this.#takeId({ kind: 'resubscribe' });
      this.#link.send({
        type: 'subscribe',
        id,
        properties: s.id === undefined ? noProperties : [s.id],
        filters: [s.options],
      });
    }
    for (const w of waiting) {
      if (w.kind === 'will' || w.kind === 'resubscribe') continue;
      const id = this.#takeId(w);
      if (w.kind === 'publish') {
        this.#inbound.set(w.clientId, id);
        kept.push({ ...w.packet, id });
      } else if (w.kind === 'subscribe') this.#link.send({ ...w.packet, id });
      else this.#link.send({ ...w.packet, id });
    }
    this.#maybeBack();
    this.#isKeeping = true;
    const turn = ++this.#returns;
    brokerReturn.afterAll(() => {
      if (turn !== this.#returns) return;
      this.#isKeeping = false;
      if (!this.#link.up) return;
      for (const p of kept) this.#link.send(p);
      this.#drainToBroker();
    });
  }

  /** Once what it subscribed to is subscribed again, others' messages find it. */
  #maybeBack(): void {
    for (const w of this.#underWay.values()) if (w.kind === 'resubscribe' || w.kind === 'subscribe') return;
    this.#world.brokerReturn.back(this.#link);
  }

  #brokerDown() {
    this.#outbound.clear();
    if (this.#subscriptions.size > 0) this.#world.brokerReturn.lost(this.#link);
    // A QoS 2 exchange cut in the middle can't be mended with a new session: the client starts it again.
    for (const w of this.#underWay.values())
      if (w.kind === 'publish' && w.received) return this.end(Reason.ServerUnavailable, 'the broker went away', true);
  }

  // --- the end ------------------------------------------------------------------------------------------------------

  /** @param withWill false where the client said goodbye, or may no longer speak */
  end(reason: number, text: string, withWill: boolean): void {
    if (this.#ended) return;
    const will = this.#will;
    // Decided at CONNECT, and again now: rights may have gone since.
    if (withWill && will !== undefined && this.#link.up && this.grants.will(will.topic, will.retain) === undefined) {
      const author: Property = { id: Id.UserProperty, value: [AUTHOR, this.grants.identity.id] };
      const properties = [...will.properties.filter((q) => q.id !== Id.WillDelay && !isAuthor(q)), author];
      const qos = will.qos === 0 ? 0 : 1;
      const id = qos === 0 ? 0 : this.#takeId({ kind: 'will' });
      this.#link.send({ type: 'publish', ...will, qos, dup: false, id, properties });
    }
    if (reason !== 0 && this.#connect.version === 5)
      this.#write({
        type: 'disconnect',
        reason,
        properties: text === '' ? noProperties : [{ id: Id.ReasonString, value: text }],
      });
    this.#ended = true;
    this.#will = undefined;
    this.#toBroker.clear();
    this.#toClient.clear();
    this.#link.close();
    this.#world.brokerReturn.back(this.#link);
    this.#socket.end();
    this.#socket.setTimeout(2000, () => this.#socket.destroy());
    this.#socket.resume();
  }
}

function isAuthor(q: Property): boolean {
  return q.id === Id.UserProperty && (q.value as readonly [string, string])[0].toLowerCase() === AUTHOR;
}
