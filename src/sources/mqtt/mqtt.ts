// A live subscription to a broker as a source: readings and commands, JSON payloads as in ../ndjson.
// What the broker hands over waits in bounded queues. When they are full the oldest readings go (a newer one says
// more about the state), but of commands the newest: those that wait may already be under judgement.
import { connect, type MqttClient } from 'mqtt';
import { BATCH_ROWS, type Origin, recordBatch, type Sink } from '#events';
import type { Source } from '../contract.ts';
import { LINE_BYTES_MAX, parseRecordLine, type SlowRecord } from '../ndjson/index.ts';

export interface MqttOptions {
  /** `mqtt://host:1883` or `mqtts://host:8883`. */
  readonly url: string;
  /** Topic filters, as in twins.power.readings and twins.power.commands; '' where there is none. */
  readonly readings: string;
  readonly commands: string;
  readonly clientId?: string;
  readonly username?: string;
  readonly password?: string;
  /** PEM texts for mutual TLS. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** 5 lets us tell the broker the largest message we take; 4 is 3.1.1. Where absent: 5, then 4 if the broker refuses it. */
  readonly version?: 4 | 5;
  /** Readings and positions that may wait. */
  readonly readingsMax?: number;
  readonly commandsMax?: number;
  readonly reconnectMillis?: number;
}

export class MqttSource implements Source {
  readonly progress = { read: 0, size: 0 };
  readonly #client: MqttClient;
  readonly #options: MqttOptions;
  readonly #origin: Origin;
  readonly #readings: Ring;
  readonly #commands: Ring;
  readonly #faults: { code: string; place: number }[] = [];
  /** Faults beyond those kept between two pulls. */
  readonly #repeats = new Map<string, number>();
  /** Messages received; a record's place. */
  #message = 0;
  #isConnected = false;
  #wasConnected = false;
  #ended = false;
  #wake: (() => void) | undefined;
  readonly #parsed: SlowRecord[] = [];

  constructor(options: MqttOptions) {
    this.#options = options;
    const url = new URL(options.url);
    // Evidence names the broker, never the credentials that a URL can carry.
    this.#origin = { file: `${url.protocol}//${url.host}`, placed: 'line' };
    this.#readings = new Ring(options.readingsMax ?? 65_536);
    this.#commands = new Ring(options.commandsMax ?? 4096);
    const version = options.version ?? 5;
    this.#client = connect(options.url, {
      protocolVersion: version,
      clean: true,
      reconnectPeriod: options.reconnectMillis ?? 2000,
      // A refusal may pass (rights granted later, a broker that is still starting).
      reconnectOnConnackError: true,
      connectTimeout: 10_000,
      // Our own queue is the only one: nothing to resend, nothing stored.
      queueQoSZero: false,
      ...(version === 5 ? { properties: { maximumPacketSize: LINE_BYTES_MAX, sessionExpiryInterval: 0 } } : {}),
      ...(options.clientId === undefined ? {} : { clientId: options.clientId }),
      ...(options.username === undefined ? {} : { username: options.username }),
      ...(options.password === undefined ? {} : { password: options.password }),
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      ...(options.cert === undefined ? {} : { cert: options.cert }),
      ...(options.key === undefined ? {} : { key: options.key }),
      resubscribe: false,
    });
    this.#client.on('connect', () => this.#subscribe());
    this.#client.on('close', () => {
      if (this.#isConnected && !this.#ended) this.#fault('MQTT_DISCONNECTED');
      this.#isConnected = false;
    });
    this.#client.on('error', (error) => {
      if (options.version === undefined && !('syscall' in error) && this.#fallBack()) return;
      if (!this.#isConnected && !this.#ended) this.#fault('MQTT_UNREACHABLE');
    });
    this.#client.on('message', (topic, payload, packet) => this.#take(topic, payload, packet.retain));
  }

  /** Records dropped because they were not taken in time. */
  get shed(): number {
    return this.#readings.shed + this.#commands.shed;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Waits for a record; Infinity once the source is closed. */
  async peekAt(): Promise<number> {
    for (;;) {
      const next = this.#next();
      if (next !== undefined) return next.at;
      if (this.#ended) return Number.POSITIVE_INFINITY;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Emits what is there, and does not wait where nothing is. */
  async pull(until: number, sink: Sink): Promise<boolean> {
    const rows: SlowRecord[] = [];
    while (rows.length < BATCH_ROWS) {
      const next = this.#next();
      if (next === undefined || next.at >= until) break;
      if (rows.length > 0 && rows[0]!.kind !== next.kind) break;
      rows.push(next);
      (next.kind === 'command' ? this.#commands : this.#readings).shift();
    }
    if (rows.length > 0) sink.emit(recordBatch(rows) as Parameters<Sink['emit']>[0]);
    for (const { code, place } of this.#faults.splice(0)) sink.fault(code, this.#origin, place, -1);
    for (const [code, count] of this.#repeats)
      for (let i = 0; i < count; i++) sink.fault(code, this.#origin, this.#message, -1);
    this.#repeats.clear();
    return !this.#ended || this.#next() !== undefined;
  }

  /** Ends the connection; what waits can still be pulled. */
  close(): void {
    this.#ended = true;
    this.#isConnected = false;
    this.#client.end(true);
    this.#rouse();
  }

  /** The oldest by arrival of the two queues. */
  #next(): SlowRecord | undefined {
    const reading = this.#readings.first;
    const command = this.#commands.first;
    if (reading === undefined || command === undefined) return reading ?? command;
    return command.place <= reading.place ? command : reading;
  }

  #subscribe(): void {
    this.#isConnected = true;
    this.#wasConnected = true;
    const { readings, commands } = this.#options;
    const filters = [readings, commands].filter((f) => f !== '');
    if (filters.length === 0) return;
    // QoS 1: a reading may come twice (same seq), but none is lost between broker and us while the connection stands.
    this.#client.subscribe(filters, { qos: 1 }, (error, granted) => {
      if (this.#ended) return;
      if (error || granted?.some((g) => g.qos >= 0x80)) this.#fault('MQTT_SUBSCRIBE');
    });
  }

  /** MQTT 5.0 section 3.1.2.2: a server that does not know version 5 may answer CONNACK or just close. */
  #fallBack(): boolean {
    if (this.#wasConnected || this.#client.options.protocolVersion === 4) return false;
    this.#client.options.protocolVersion = 4;
    delete this.#client.options.properties;
    return true;
  }

  #take(topic: string, payload: Uint8Array, isRetained: boolean): void {
    if (this.#ended) return;
    this.#message += 1;
    this.progress.read += payload.length;
    const isCommand = matches(this.#options.commands, topic);
    const parsed = this.#parsed;
    parsed.length = 0;
    parseRecordLine(
      payload,
      0,
      payload.length,
      this.#origin,
      this.#message,
      parsed,
      (code) => this.#fault(code),
      isCommand ? 'command' : 'reading',
    );
    for (const record of parsed) {
      const fault = wrong(record, topic, isCommand, isRetained);
      if (fault !== '') this.#fault(fault);
      else if (record.kind === 'command') {
        if (!this.#commands.push(record)) this.#fault('MQTT_COMMANDS_SHED');
      } else if (!this.#readings.pushOver(record)) this.#fault('MQTT_SHED');
    }
    this.#rouse();
  }

  #fault(code: string): void {
    if (this.#faults.length < 1024) this.#faults.push({ code, place: this.#message });
    else this.#repeats.set(code, (this.#repeats.get(code) ?? 0) + 1);
  }

  #rouse(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

function wrong(record: SlowRecord, topic: string, isCommand: boolean, isRetained: boolean): string {
  if ((record.kind === 'command') !== isCommand) return 'MQTT_WRONG_PLACE';
  if (record.kind === 'command') return isRetained ? 'MQTT_RETAINED_COMMAND' : '';
  // `<plane>/<asset>/reading`: the broker's rights speak about topics, so the payload may not name somebody else.
  const parts = topic.split('/');
  if (parts.length === 3 && parts[2] === 'reading' && parts[1] !== record.asset) {
    if (record.kind !== 'reading' || record.via !== parts[1]) return 'MQTT_ASSET';
  }
  return '';
}

/** MQTT 5.0 section 4.7: whether a topic matches a filter with `+` and `#`. */
export function matches(filter: string, topic: string): boolean {
  if (filter === '') return false;
  const want = filter.split('/');
  const have = topic.split('/');
  if (topic.startsWith('$') && (want[0] === '#' || want[0] === '+')) return false;
  for (let i = 0; i < want.length; i++) {
    if (want[i] === '#') return true;
    if (i >= have.length || (want[i] !== '+' && want[i] !== have[i])) return false;
  }
  return want.length === have.length;
}

/** A queue of fixed capacity. Rows are [#at, #at + length), around the end of the array. */
class Ring {
  shed = 0;
  length = 0;
  #at = 0;
  readonly #rows: (SlowRecord | undefined)[];

  constructor(capacity: number) {
    this.#rows = new Array<SlowRecord | undefined>(capacity).fill(undefined);
  }
  get first(): SlowRecord | undefined {
    return this.length === 0 ? undefined : this.#rows[this.#at];
  }
  /** @returns false where it was full and the new one is dropped */
  push(record: SlowRecord): boolean {
    if (this.length === this.#rows.length) {
      this.shed += 1;
      return false;
    }
    this.#rows[(this.#at + this.length) % this.#rows.length] = record;
    this.length += 1;
    return true;
  }
  /** @returns false where it was full and the oldest is dropped */
  pushOver(record: SlowRecord): boolean {
    const wasFull = this.length === this.#rows.length;
    if (wasFull) {
      this.shed += 1;
      this.shift();
    }
    this.push(record);
    return !wasFull;
  }
  shift(): void {
    this.#rows[this.#at] = undefined;
    this.#at = (this.#at + 1) % this.#rows.length;
    this.length -= 1;
  }
}
