// NOTIFY to each consumer (RFC 1996), again and again with growing pauses until it is acknowledged: a lost datagram must not
// mean that a block waits for the next poll. A newer serial takes the place of an older one that is still unanswered.
import { randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import type { Consumer } from '../config.ts';
import {
  Class,
  checkTsig,
  Flag,
  Opcode,
  opcodeOf,
  Rcode,
  rcodeName,
  readMessage,
  signTsig,
  Type,
  writeMessage,
} from '../wire/index.ts';
import type { PolicyZone } from './zone.ts';

const FIRST_PAUSE_MS = 250;
const LAST_PAUSE_MS = 30_000;

export interface NotifyState {
  readonly consumer: string;
  /** Serial of the last NOTIFY that was acknowledged; undefined before the first. */
  readonly acknowledged: number | undefined;
  /** Sent and not yet acknowledged. */
  readonly waiting: boolean;
  /** What came back last, in words. */
  readonly text: string;
}
interface Due {
  readonly consumer: Consumer;
  serial: number;
  id: number;
  mac: Buffer | undefined;
  pauseMs: number;
  timer: NodeJS.Timeout | undefined;
  waiting: boolean;
  acknowledged: number | undefined;
  text: string;
}

export class Notifier {
  readonly #zone: PolicyZone;
  readonly #due: Due[];
  readonly #nowSeconds: () => number;
  readonly #sockets = new Map<string, Socket>();
  readonly #address: string;
  #closed = false;

  /** @param address local address to send from: consumers allow NOTIFY by it */
  constructor(zone: PolicyZone, consumers: readonly Consumer[], address: string, nowSeconds: () => number) {
    this.#zone = zone;
    this.#address = address;
    this.#nowSeconds = nowSeconds;
    this.#due = consumers
      .filter((c) => c.notify !== undefined)
      .map((consumer) => ({
        consumer,
        serial: 0,
        id: 0,
        mac: undefined,
        pauseMs: FIRST_PAUSE_MS,
        timer: undefined,
        waiting: false,
        acknowledged: undefined,
        text: 'not notified yet',
      }));
  }

  get states(): readonly NotifyState[] {
    return this.#due.map((d) => ({
      consumer: d.consumer.name,
      acknowledged: d.acknowledged,
      waiting: d.waiting,
      text: d.text,
    }));
  }

  /** Tells all of the zone's serial. */
  send(): void {
    for (const due of this.#due) {
      clearTimeout(due.timer);
      due.serial = this.#zone.serial;
      due.pauseMs = FIRST_PAUSE_MS;
      due.waiting = true;
      this.#try(due);
    }
  }

  close(): void {
    this.#closed = true;
    for (const due of this.#due) clearTimeout(due.timer);
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
  }

  #try(due: Due): void {
    if (this.#closed) return;
    const { notify, tsig } = due.consumer;
    due.id = randomInt(0x1_0000);
    const plain = writeMessage({
      id: due.id,
      flags: (Opcode.Notify << 11) | Flag.AA,
      question: { name: this.#zone.name, type: Type.SOA, class: Class.IN },
      answers: [this.#zone.soa(due.serial)],
    });
    const signed = tsig === undefined ? undefined : signTsig(plain, tsig, this.#nowSeconds());
    due.mac = signed?.mac;
    this.#socket(notify!.address.includes(':') ? 'udp6' : 'udp4').send(
      signed?.bytes ?? plain,
      notify!.port,
      notify!.address,
      (error) => {
        if (error !== null && error !== undefined) due.text = `NOTIFY could not be sent: ${error.message}`;
      },
    );
    due.timer = setTimeout(() => this.#try(due), due.pauseMs);
    due.timer.unref();
    due.pauseMs = Math.min(due.pauseMs * 2, LAST_PAUSE_MS);
  }

  #socket(family: 'udp4' | 'udp6'): Socket {
    const known = this.#sockets.get(family);
    if (known !== undefined) return known;
    const socket = createSocket(family);
    const ours = this.#address.includes(':') === (family === 'udp6') ? this.#address : undefined;
    socket.on('message', (bytes, from) => this.#answered(bytes, from.address, from.port));
    socket.on('error', () => {});
    socket.bind({ port: 0, ...(ours === undefined ? {} : { address: ours }) });
    socket.unref();
    this.#sockets.set(family, socket);
    return socket;
  }

  #answered(bytes: Buffer, address: string, port: number): void {
    const message = readMessage(bytes);
    if (message === undefined || (message.flags & Flag.QR) === 0 || opcodeOf(message.flags) !== Opcode.Notify) return;
    const due = this.#due.find(
      (d) =>
        d.waiting && d.id === message.id && d.consumer.notify!.address === address && d.consumer.notify!.port === port,
    );
    if (due === undefined) return;
    const rcode = message.flags & 15;
    if (due.mac !== undefined && due.consumer.tsig !== undefined) {
      const key = due.consumer.tsig;
      const check = checkTsig(message, (n) => (n === key.name ? key : undefined), this.#nowSeconds(), {
        mac: due.mac,
        timersOnly: false,
      });
      if (check.kind !== 'good' && rcode === Rcode.NoError) {
        due.text = 'an answer to NOTIFY that is not signed by our key was not believed';
        return;
      }
    }
    due.text = `answered NOTIFY of serial ${due.serial} with ${rcodeName(rcode)}`;
    if (rcode !== Rcode.NoError) return;
    clearTimeout(due.timer);
    due.waiting = false;
    due.acknowledged = due.serial;
  }
}
