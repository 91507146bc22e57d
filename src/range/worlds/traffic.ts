// Quiet life on the network: meters, cameras, office, control and twin hosts. Each host draws from its own stream.
import type { Random } from '#lib/random';
import { type DnsRecord, DnsType } from '../encode/dns.ts';
import { ipText } from '../encode/ethernet.ts';
import { interrogation, measuredFloats, startData, startDataConfirm } from '../encode/iec104.ts';
import type { TcpConnection } from '../encode/tcp.ts';
import { applicationData, clientHello, serverFlight } from '../encode/tls.ts';
import { hex, type Names, word } from './names.ts';
import { type Net, publicAddress } from './net.ts';
import type { Host, Plan } from './plan.ts';
import { meterMicros } from './readings.ts';

/** Chance scale by hour of day (UTC): offices work by day. */
const officeHours = [1, 1, 1, 1, 1, 2, 6, 20, 60, 100, 100, 90, 70, 90, 100, 100, 90, 60, 30, 15, 8, 5, 3, 2];
const minute = 60e6;

export class Traffic {
  readonly #net: Net;
  readonly #plan: Plan;
  readonly #names: Names;
  readonly #hosts: Map<string, Random>;
  readonly #meterSessions: (TcpConnection | undefined)[] = [];
  readonly #rtuSessions: { connection: TcpConnection; sent: number; asked: number }[] = [];
  readonly #noisyHost: Host;
  readonly #maintenanceAt: number;

  constructor(random: Random, net: Net, plan: Plan, names: Names, attackAt: number) {
    this.#net = net;
    this.#plan = plan;
    this.#names = names;
    this.#hosts = new Map(
      [...plan.offices, ...plan.cameras, ...plan.meters, ...plan.servers, ...plan.rtus].map((h) => [
        h.id,
        random.split(h.id),
      ]),
    );
    // Decoys: one office host's antivirus asks far more than the others'; a maintenance window precedes the attack.
    this.#noisyHost = random.split('noisy antivirus').pick(plan.offices);
    this.#maintenanceAt = attackAt - 40 * minute;
  }
  get noisyHost(): Host {
    return this.#noisyHost;
  }
  /** All traffic that begins in [from, until). */
  window(from: number, until: number): void {
    this.#meters(from, until);
    this.#cameras(from, until);
    this.#offices(from, until);
    this.#control(from, until);
    this.#servers(from, until);
  }
  #meters(from: number, until: number): void {
    const { at } = this.#plan;
    this.#plan.meters.forEach((meter, i) => {
      const random = this.#hosts.get(meter.id)!;
      const slot = from % meterMicros;
      const offset = (meter.phaseSeconds * 1e6 - slot + meterMicros) % meterMicros;
      if (offset >= until - from) return;
      let t = from + offset + random.integer(0, 400_000);
      let session = this.#meterSessions[i];
      if (session === undefined || random.chance(0.002)) {
        if (random.chance(0.3)) t = this.#own(t, meter.ip, 'headend.riverton.example', at.headEnd);
        if (session !== undefined) t = session.close(t);
        session = this.#net.connect(meter.ip, at.headEnd, 443);
        this.#meterSessions[i] = session;
        t = session.open(t);
        t = session.send(t, true, clientHello(random, 'headend.riverton.example'), false);
        t = session.send(t + session.roundTrip, false, serverFlight(random, 1180));
      }
      session.send(t + 300, true, applicationData(random, random.integer(64, 84)));
      if (random.chance(0.01)) this.#net.time(t + 2e6, meter.ip, at.time);
      if (random.chance(0.002)) this.#firmware(t + 3e6, meter.ip, random);
    });
  }
  /** Look-up of a name of the city itself. */
  #own(at: number, client: number, name: string, address: number): number {
    return this.#net.lookup(at, client, {
      name,
      type: DnsType.A,
      records: [{ type: DnsType.A, ttl: 3600, data: ipText(address) }],
    });
  }
  /** Firmware check at the vendor: the one public name that field devices ask in quiet days. */
  #firmware(at: number, client: number, random: Random): void {
    const name = this.#names.firmware;
    const t = this.#net.address(at, client, name, 3600);
    this.#net.tls(t, client, publicAddress(name), 443, name, [[220, random.integer(300, 900)]]);
  }
  #cameras(from: number, until: number): void {
    for (const camera of this.#plan.cameras) {
      const random = this.#hosts.get(camera.id)!;
      // An event clip about each two hours, sent to the recorder.
      if (random.chance((until - from) / (120 * minute))) {
        const t = from + random.integer(0, until - from - 1);
        this.#net.tls(t, camera.ip, this.#plan.at.recorder, 443, 'recorder.riverton.example', [
          [random.integer(900, 2800), 90],
        ]);
      }
      if (random.chance((until - from) / (360 * minute))) {
        const t = this.#net.address(from + random.integer(0, until - from - 1), camera.ip, this.#names.cloud, 600);
        this.#net.tls(t, camera.ip, publicAddress(this.#names.cloud), 443, this.#names.cloud, [[340, 420]]);
      }
    }
  }
  #offices(from: number, until: number): void {
    const activity = officeHours[Math.floor(from / 3600e6) % 24]! / 100;
    const span = until - from;
    for (const host of this.#plan.offices) {
      const random = this.#hosts.get(host.id)!;
      const within = (): number => from + random.integer(0, span - 1);
      if (random.chance((activity * span) / (45 * minute))) this.#visit(within(), host, random);
      if (random.chance((activity * span) / (75 * minute))) this.#directory(within(), host, random);
      if (random.chance(span / (180 * minute))) this.#net.time(within(), host.ip, this.#plan.at.time);
      const scans = host === this.#noisyHost ? 30 : 1;
      for (let i = 0; i < scans; i++) {
        if (random.chance((activity * span) / (60 * minute))) this.#hashLookup(within(), host, random);
      }
    }
  }
  #visit(at: number, host: Host, random: Random): void {
    // Popularity falls roughly as 1/rank.
    const rank = Math.floor(this.#names.sites.length ** random.uniform()) - 1;
    const site = this.#names.sites[Math.max(0, rank)]!;
    let t = this.#net.address(at, host.ip, site, 300);
    if (random.chance(0.4)) this.#net.lookup(t, host.ip, { name: site, type: DnsType.AAAA, records: [] });
    t = this.#net.tls(t, host.ip, publicAddress(site), 443, site, [
      [random.integer(300, 700), random.integer(700, 4000)],
    ]);
    for (let shards = random.integer(0, 2); shards > 0; shards--) {
      // Content networks put a hash before their zone.
      const name = `${random.chance(0.5) ? 'd' : 'e'}${hex(random, 12)}.${random.pick(this.#names.cdn)}`;
      const asked = at + random.integer(20_000, 400_000);
      const next = this.#net.address(asked, host.ip, name, 60);
      if (random.chance(0.4))
        this.#net.tls(next, host.ip, publicAddress(name), 443, name, [[260, random.integer(500, 3000)]]);
    }
  }
  #directory(at: number, host: Host, random: Random): void {
    const domain = 'riverton.example';
    const record: DnsRecord = { type: DnsType.SRV, ttl: 600, data: `0 100 636 directory.${domain}` };
    const name = random.chance(0.5) ? `_ldap._tcp.dc._msdcs.${domain}` : `_kerberos._tcp.${domain}`;
    const t = this.#net.lookup(at, host.ip, { name, type: DnsType.SRV, records: [record] });
    const s = this.#net.tls(t, host.ip, this.#plan.at.directory, 636, `directory.${domain}`, [
      [random.integer(150, 400), random.integer(200, 900)],
    ]);
    const [a = 0, b = 0, c = 0, d = 0] = ipText(host.ip).split('.').map(Number);
    const pointer = `${d}.${c}.${b}.${a}.in-addr.arpa`;
    if (random.chance(0.2)) {
      const answer = { type: DnsType.PTR, ttl: 1200, data: `${host.id}.${domain}` };
      this.#net.lookup(s + 9000, host.ip, { name: pointer, type: DnsType.PTR, records: [answer] });
    }
  }
  /** An antivirus puts file hashes into names: data in names, innocent. */
  #hashLookup(at: number, host: Host, random: Random): void {
    const name = `${hex(random, 32)}.${hex(random, 8)}.av.${this.#names.antivirus}`;
    const records = random.chance(0.8) ? [{ type: DnsType.A, ttl: 300, data: '127.0.0.4' }] : [];
    this.#net.lookup(at, host.ip, { name, type: DnsType.A, records, rcode: records.length === 0 ? 3 : 0 });
  }
  #control(from: number, until: number): void {
    const { at } = this.#plan;
    this.#plan.rtus.forEach((rtu, r) => {
      const random = this.#hosts.get(rtu.id)!;
      let session = this.#rtuSessions[r];
      let t = from + r * 60_000 - 40_000 + random.integer(0, 9000);
      if (session === undefined) {
        session = { connection: this.#net.connect(at.scada, rtu.ip, 2404), sent: 0, asked: 0 };
        this.#rtuSessions[r] = session;
        t = session.connection.open(t);
        t = session.connection.send(t, true, startData, false);
        t = session.connection.send(t + 800, false, startDataConfirm, false);
        t = session.connection.send(t + 800, true, interrogation(session.asked++, session.sent, rtu.bus));
      }
      const values = Array.from({ length: 8 }, () => random.normal(40));
      session.connection.send(t + 1500, false, measuredFloats(session.sent++, session.asked, 3, rtu.bus, values));
      // Five minutes of readings of one scan, then the next.
      if (until - from > 300e6) throw new RangeError('a window is one scan');
    });
  }
  #servers(from: number, until: number): void {
    const { at } = this.#plan;
    const random = this.#hosts.get('scada-01')!;
    const within = (): number => from + random.integer(0, until - from - 1);
    // The twin gets each scan from the control zone over its own conduit.
    this.#net.tls(from + 9e6, at.scada, at.broker, 8883, 'broker.riverton.example', [
      [random.integer(5000, 6000), 120],
    ]);
    if (random.chance((until - from) / (240 * minute))) {
      this.#session(within(), random.chance(0.5) ? at.scada : at.twin, at.backup, 873, 12_000, random);
    }
    if (random.chance((until - from) / (120 * minute))) this.#administer(within(), random);
    // The maintenance window: an hour of admin sessions along existing conduits.
    if (from >= this.#maintenanceAt && from < this.#maintenanceAt + 30 * minute) this.#administer(within(), random);
    for (const client of [at.scada, at.historian, at.engineering, at.twin, at.modelStore]) {
      if (random.chance((until - from) / (60 * minute))) this.#net.time(within(), client, at.time);
      if (random.chance((until - from) / (90 * minute)))
        this.#own(within(), client, `${word(random, 2)}.riverton.example`, at.backup);
    }
  }
  /** An administrator goes from an office host by the jump host to control or twin: honest, over conduits. */
  #administer(at: number, random: Random): void {
    const host = random.pick(this.#plan.offices.slice(0, 4));
    const t = this.#session(at, host.ip, this.#plan.at.jump, 22, 2600, random);
    const target = random.pick([
      this.#plan.at.engineering,
      this.#plan.at.historian,
      this.#plan.at.twin,
      this.#plan.at.modelStore,
    ]);
    this.#session(t, this.#plan.at.jump, target, 22, 4000, random);
  }
  /** An SSH or rsync session of about `bytes` octets each way. */
  #session(at: number, client: number, server: number, port: number, bytes: number, random: Random): number {
    const connection = this.#net.connect(client, server, port);
    let t = connection.open(at);
    const banner = new TextEncoder().encode(port === 22 ? 'SSH-2.0-OpenSSH_9.6\r\n' : '@RSYNCD: 31.0\n');
    t = connection.send(t, false, banner, false);
    t = connection.send(t, true, banner);
    for (let left = bytes; left > 0; left -= 700) {
      t = connection.send(t + random.integer(1000, 90_000), random.chance(0.5), opaque(random, 700));
    }
    return connection.close(t);
  }
}

/** Octets without framing, for ciphers that show none. */
export function opaque(random: Random, bytes: number): Uint8Array {
  return applicationData(random, bytes + 5).subarray(5);
}
