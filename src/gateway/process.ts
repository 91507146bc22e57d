// The gateway as a whole: audit, broker, desk and door put together, to be run in a process of its own. It imports no
// twin: physics is asked through `judge`, readings and findings leave through callbacks.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Reading } from '#events';
import { FaultError, type Verdict } from '#findings';
import type { AuditSink } from './audit/index.ts';
import { type AuditEntry, openAudit } from './audit/index.ts';
import { startBroker } from './broker.ts';
import type { GatewayConfig } from './config.ts';
import type { HoldEntry, Holds } from './holds.ts';
import type { Judge } from './interlock.ts';
import { Policy } from './policy.ts';
import { BrokerReturn } from './ports/broker-return.ts';
import { Desk, type Past } from './ports/desk.ts';
import { MqttDoor, type TlsFiles } from './ports/mqtt.ts';
import type { SessionWorld } from './ports/session.ts';

export interface GatewayOptions {
  readonly config: GatewayConfig;
  readonly judge: Judge;
  /** PEM texts instead of the files of the configuration. */
  readonly tls?: TlsFiles;
  readonly onTelemetry?: (readings: readonly Reading[], from: string) => void;
  readonly onVerdict?: (verdict: Verdict) => void;
  /** One sentence for people, e.g. to a log. */
  readonly say?: (text: string) => void;
  /** Microseconds since the epoch; the wall clock unless a test has its own. */
  readonly now?: () => number;
  readonly auditSink?: AuditSink;
  /** Version spoken to a broker that was configured; 5 unless it can't. */
  readonly brokerVersion?: 4 | 5;
}

export interface GatewayHealth {
  readonly brokerUp: boolean;
  /** Why the audit can't be written, or ''. */
  readonly audit: string;
  readonly connections: number;
  readonly refused: number;
  readonly malformed: number;
  readonly denied: number;
  readonly shed: number;
  readonly queuedBytes: number;
  readonly readings: number;
  readonly commands: Readonly<Record<'pass' | 'hold' | 'refuse' | 'malformed', number>>;
  readonly held: number;
  readonly head: { readonly seq: number; readonly hash: string };
}

export interface Gateway {
  readonly port: number;
  /** What stands behind it, in a sentence. */
  readonly broker: string;
  readonly brokerPort: number;
  readonly holds: Pick<Holds, 'list' | 'release' | 'refuse'>;
  onTelemetry(callback: (readings: readonly Reading[], from: string) => void): void;
  onVerdict(callback: (verdict: Verdict) => void): void;
  /** From now on this identity may nothing; what it has open is closed. */
  revoke(id: string): void;
  health(): GatewayHealth;
  close(): Promise<void>;
}

/** Denials recorded in the audit a minute; more are counted only, so that a mad device can't fill the disk. */
const denialsPerMinute = 60;

export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { config } = options;
  const now = options.now ?? (() => Date.now() * 1000);
  const say = options.say ?? (() => {});
  const policy = new Policy(config);
  const past = new PastReader(now() - (config.limits.commandAgeMs + config.limits.commandSkewMs) * 1000);
  const tls = options.tls ?? readTls(config);
  const opened = await openAudit(config.audit, now(), (entry) => past.read(entry), options.auditSink);
  for (const note of [...opened.notes, ...past.notes()]) say(note);
  const own = config.broker === undefined ? await startBroker() : undefined;
  const target = config.broker ?? { host: '127.0.0.1', port: own!.port };
  const { limits } = config;
  const link = {
    ...target,
    version: options.brokerVersion ?? (own?.kind === 'aedes' ? (4 as const) : (5 as const)),
    packetBytes: limits.packetBytes,
    receiveMaximum: limits.receiveMaximum,
  };
  const linkName = `parapet-${randomBytes(6).toString('hex')}`;
  const brokerReturn = new BrokerReturn();
  const hearTelemetry = options.onTelemetry === undefined ? [] : [options.onTelemetry];
  const hearVerdict = options.onVerdict === undefined ? [] : [options.onVerdict];
  const desk = new Desk(
    {
      config,
      policy,
      audit: opened.log,
      judge: options.judge,
      link,
      linkName,
      brokerReturn,
      now,
      say,
      verdict: (v) => {
        for (const hear of hearVerdict) hear(v);
      },
    },
    past,
  );
  const counts = { denied: 0, shed: 0, readings: 0 };
  const budget = { bytes: 0, bytesMax: limits.queueBytesTotal };
  let minute = 0;
  let denials = 0;
  const world: SessionWorld = {
    limits,
    budget,
    link,
    linkName,
    brokerReturn,
    isCommand: (topic) => policy.isCommand(topic),
    isRevoked: (id) => policy.isRevoked(id),
    command: (publish, grants) => desk.submit(publish, grants),
    telemetry: (readings, grants) => {
      counts.readings += readings.length;
      for (const hear of hearTelemetry) hear(readings, grants.identity.id);
    },
    denied: (grants, what, text) => {
      counts.denied++;
      const at = now();
      const inMinute = Math.floor(at / 60e6);
      if (inMinute !== minute) [minute, denials] = [inMinute, 0];
      if (++denials > denialsPerMinute) return;
      opened.log.append('denied', { identity: grants.identity.id, what, text }, at).catch(() => {});
    },
    shed: () => void counts.shed++,
  };
  let door: MqttDoor;
  let port: number;
  try {
    door = new MqttDoor(config, tls, policy, world);
    port = await door.listen();
  } catch (error) {
    desk.close();
    await own?.close();
    await opened.log.close();
    throw error;
  }
  const expiry = setInterval(() => void desk.holds.expire(), 1000);
  expiry.unref();
  return {
    port,
    broker: own?.text ?? `The broker at ${target.host}:${target.port}.`,
    brokerPort: target.port,
    holds: desk.holds,
    onTelemetry: (callback) => void hearTelemetry.push(callback),
    onVerdict: (callback) => void hearVerdict.push(callback),
    revoke: (id) => {
      policy.revoke(id);
      door.revoked(id);
      opened.log.append('revoked', { identity: id }, now()).catch(() => {});
    },
    health: () => ({
      brokerUp: desk.brokerUp,
      audit: opened.log.fault,
      ...door.counts,
      ...counts,
      queuedBytes: budget.bytes,
      commands: { ...desk.counts },
      held: desk.holds.list().length,
      head: opened.log.head,
    }),
    close: async () => {
      clearInterval(expiry);
      await door.close();
      desk.close();
      await own?.close();
      await opened.log.append('end', { text: 'The gateway closed the audit.' }, now()).catch(() => {});
      await opened.log.close();
    },
  };
}

function readTls(config: GatewayConfig): TlsFiles {
  const read = (path: string, field: string): string => {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      throw new FaultError({
        kind: 'fault',
        code: 'GATEWAY_KEYS',
        file: path || `gateway.${field}`,
        text: `gateway.${field} could not be read: ${(error as Error).message}.`,
        remedy: `Name a PEM file in gateway.${field} of city.yaml.`,
        lost: 'the gateway does not start',
      });
    }
  };
  return { ca: read(config.ca, 'ca'), cert: read(config.cert, 'cert'), key: read(config.key, 'key') };
}

/** What the audit says about before: held commands, nonces that still count, releases whose outcome nobody knows. */
class PastReader implements Past {
  readonly holds: HoldEntry[] = [];
  nonces: { requester: string; nonce: string; at: number }[] = [];
  readonly #from: number;
  readonly #open = new Set<string>();

  constructor(from: number) {
    this.#from = from;
  }

  read(entry: AuditEntry): void {
    const body = entry.body as Record<string, unknown>;
    if (entry.type === 'hold') {
      const change = body as unknown as HoldEntry;
      this.holds.push(change);
      if (change.what === 'released') this.#open.add(change.id);
    } else if (entry.type === 'outcome') this.#open.delete(String(body.command));
    else if (entry.type === 'command' && entry.at >= this.#from) {
      const nonce = (body.command as Record<string, unknown>).nonce;
      this.nonces.push({ requester: String(body.identity), nonce: String(nonce), at: entry.at });
    }
  }

  notes(): string[] {
    return [...this.#open].map(
      (id) =>
        `Command ${id} was released before the last stop, and whether it left is not known. It is not sent again.`,
    );
  }
}
