// A quiet day by role. Head-ends, makers and clouds are outside the city, as most are today: only what is said to them can tell.
import type { Random } from '#lib/random';
import { ipv4 } from '../../encode/ethernet.ts';
import { publicAddress } from '../net.ts';
import type { Device } from './devices.ts';
import { bulk, handshake, say, type Talk, type Writer } from './talk.ts';

export const second = 1e6;
export const minute = 60 * second;
export const hour = 60 * minute;
export const day = 24 * hour;

/** Activity of people by hour, UTC. */
const office = [0, 0, 0, 0, 0, 1, 5, 25, 80, 100, 100, 90, 60, 90, 100, 95, 80, 40, 12, 5, 3, 2, 1, 0];

export function routine(writer: Writer, device: Device, from: number, dayIndex: number): void {
  clock(writer, device, from);
  switch (device.role) {
    case 'smart-meter':
      meter(writer, device, from, dayIndex);
      break;
    case 'camera':
      camera(writer, device, from, dayIndex);
      break;
    case 'bus':
      bus(writer, device, from, dayIndex);
      break;
    case 'signal-controller':
      signals(writer, device, from, dayIndex);
      break;
    case 'iot-gateway':
      gateway(writer, device, from);
      break;
    default:
      workstation(writer, device, from, dayIndex);
  }
}

/** NTP of two public servers, each 17 minutes. */
function clock(writer: Writer, device: Device, from: number): void {
  for (let t = from + (device.ip % 1020) * second; t < from + day; t += 1024 * second) {
    const talk = writer.open(t, device.ip, publicAddress(`${device.ip % 2}.time.example`), 123, 'udp');
    say(talk, t, 48, 0);
    say(talk, t + 15_000, 0, 48);
  }
}

/** A session that stays open: hand-shake, then the caller's steps, closed at `until`. */
function session(
  writer: Writer,
  random: Random,
  at: number,
  until: number,
  client: number,
  name: string,
  port = 8883,
): Talk {
  writer.ask(at - 30_000, client, name);
  const talk = writer.open(at, client, publicAddress(name), port, 'tls', name);
  handshake(random, talk, at);
  talk.closeAt = until - 2 * second;
  return talk;
}

/** A firmware image from the maker's delivery network, whose address differs from image to image. */
function firmware(writer: Writer, device: Device, at: number, dayIndex: number, bytes: number): void {
  const { random } = device;
  writer.exchange(random, at, device.ip, 'update.maker.example', 700, 900);
  const name = `d${1 + ((dayIndex + device.ip) % 5)}.delivery.example`;
  writer.exchange(random, at + 3 * second, device.ip, name, 900, bytes, { seconds: bytes / 400_000 });
  writer.exchange(
    random,
    at + 3 * second + (bytes / 400_000) * second + minute,
    device.ip,
    'update.maker.example',
    1400,
    400,
  );
}

function meter(writer: Writer, d: Device, from: number, dayIndex: number): void {
  const { random } = d;
  const phase = (d.ip % 900) * second;
  // A third keep a session all day, the others open one for each report.
  const stays =
    d.ip % 3 === 0
      ? session(writer, random, from + 2 * second, from + day, d.ip, 'headend.utility.example', 443)
      : undefined;
  for (let t = from + phase + 5 * second; t < from + day - minute; t += 15 * minute) {
    const up = random.integer(280, 340);
    if (stays !== undefined) bulk(random, stays, t, up, 96);
    else writer.exchange(random, t, d.ip, 'headend.utility.example', up, 96, { lookup: random.chance(0.2) });
  }
  // A load profile is read at night.
  writer.exchange(
    random,
    from + 2 * hour + phase,
    d.ip,
    'headend.utility.example',
    random.integer(18_000, 30_000),
    900,
    { seconds: 4 },
  );
  if (random.chance(0.08))
    firmware(writer, d, from + random.integer(1, 22) * hour, dayIndex, random.integer(300_000, 1_500_000));
}

function camera(writer: Writer, d: Device, from: number, dayIndex: number): void {
  const { random } = d;
  const control = session(writer, random, from + 3 * second, from + day, d.ip, 'signal.video.example');
  for (let t = from + minute; t < from + day - minute; t += 60 * second)
    bulk(random, control, t + random.integer(0, second), 66, 66);
  // Event clips; by day more.
  for (
    let t = from + random.exponential(20 * minute);
    t < from + day - 10 * minute;
    t += random.exponential(18 * minute)
  ) {
    const bytes = random.integer(100_000, 1_500_000);
    writer.exchange(random, t, d.ip, `ingest${random.integer(1, 4)}.video.example`, bytes, 1200, {
      seconds: bytes / 500_000,
      lookup: random.chance(0.3),
    });
  }
  // Someone watches: a stream up, commands down.
  for (let k = random.integer(0, 3); k > 0; k--) {
    const seconds = random.integer(60, 600);
    writer.exchange(
      random,
      from + random.integer(6, 22) * hour + random.integer(0, 3000) * second,
      d.ip,
      'live.video.example',
      seconds * 12_000,
      seconds * 400,
      { seconds },
    );
  }
  if (random.chance(0.06))
    firmware(writer, d, from + random.integer(1, 22) * hour, dayIndex, random.integer(4_000_000, 9_000_000));
}

function bus(writer: Writer, d: Device, from: number, dayIndex: number): void {
  const { random } = d;
  const starts = from + 4 * hour + (d.ip % 60) * minute;
  const ends = from + 21 * hour;
  const mqtt = session(writer, random, starts, ends, d.ip, 'position.transit.example');
  for (let t = starts + 10 * second; t < ends - minute; t += 10 * second)
    say(mqtt, t + random.integer(0, 200_000), random.integer(150, 190), random.chance(0.1) ? 40 : 0);
  for (let t = starts + random.exponential(4 * minute); t < ends; t += random.exponential(4 * minute))
    writer.exchange(random, t, d.ip, 'tickets.transit.example', random.integer(700, 2600), random.integer(500, 2200), {
      lookup: random.chance(0.2),
    });
  // Passenger displays fetch news and advertisements from several names; the depot takes the day's video at night.
  for (let t = starts; t < ends; t += 30 * minute)
    writer.exchange(
      random,
      t + random.integer(0, 600) * second,
      d.ip,
      `ads${random.integer(1, 9)}.display.example`,
      1500,
      random.integer(50_000, 1_000_000),
      { seconds: 5 },
    );
  writer.exchange(
    random,
    from + 22 * hour + (d.ip % 40) * minute,
    d.ip,
    'archive.transit.example',
    random.integer(2_000_000, 6_000_000),
    9000,
    { seconds: 300 },
  );
  if (random.chance(0.05)) firmware(writer, d, from + 23 * hour, dayIndex, 6_000_000);
}

function signals(writer: Writer, d: Device, from: number, dayIndex: number): void {
  const { random } = d;
  // The centre, inside the city, polls by UDP; status goes to the maker's cloud hourly.
  const centre = ipv4('10.11.0.10');
  for (let t = from + second; t < from + day - minute; t += 60 * second) {
    const talk = writer.open(t, centre, d.ip, 501, 'udp');
    for (let k = 0; k < 4; k++) {
      say(talk, t + k * 5 * second, 34, 0);
      say(talk, t + k * 5 * second + 3000, 0, 70);
    }
  }
  for (let t = from + (d.ip % 3600) * second; t < from + day - minute; t += hour)
    writer.exchange(random, t, d.ip, 'status.signals.example', random.integer(900, 1500), 300, { lookup: false });
  if (random.chance(0.04)) firmware(writer, d, from + random.integer(1, 4) * hour, dayIndex, 2_000_000);
}

/** Takes sensors' telegrams in and hands them on: to its network server, and mirrored to a second cloud. */
function gateway(writer: Writer, d: Device, from: number): void {
  const { random } = d;
  const first = session(writer, random, from + 4 * second, from + day, d.ip, 'lns.sensors.example');
  const second_ = session(writer, random, from + 5 * second, from + day, d.ip, 'broker.city-cloud.example');
  for (let t = from + 20 * second; t < from + day - minute; t += random.exponential(25 * second)) {
    const bytes = random.integer(120, 400);
    say(first, t, bytes, 0);
    say(first, t + 40_000, 0, 38);
    say(second_, t + 90_000, bytes + 60, 0);
    // Orders come from one cloud and go to the other: a bridge between two that it always spoke to.
    if (random.chance(0.15)) {
      say(second_, t + 2 * second, 0, 180);
      say(first, t + 2 * second + 60_000, 190, 0);
    }
  }
}

function workstation(writer: Writer, d: Device, from: number, dayIndex: number): void {
  const { random } = d;
  const weekday = dayIndex % 7 < 5;
  if (!weekday && random.chance(0.85)) return;
  const mail = session(
    writer,
    random,
    from + 7 * hour + random.integer(0, 3000) * second,
    from + 18 * hour,
    d.ip,
    'mail.office-cloud.example',
    443,
  );
  for (let t = mail.openAt + minute; t < mail.closeAt - minute; t += random.exponential(90 * second))
    bulk(random, mail, t, random.integer(200, 1500), random.integer(200, 9000));
  const isVpn = d.ip % 5 === 0;
  const vpn = isVpn
    ? writer.open(from + 8 * hour, d.ip, publicAddress('vpn.partner.example'), 51_820, 'udp')
    : undefined;
  for (let h = 0; h < 24; h++) {
    const visits = (office[h]! / 100) * 9;
    for (
      let t = random.exponential(hour / Math.max(visits, 0.01));
      t < hour;
      t += random.exponential(hour / Math.max(visits, 0.01))
    ) {
      const at = from + h * hour + t;
      if (vpn !== undefined && random.chance(0.6)) {
        bulk(random, vpn, at, random.integer(5_000, 40_000), random.integer(20_000, 400_000), 4);
        continue;
      }
      page(writer, d, at);
    }
    if (office[h]! < 60) continue;
    // A call: it balances, with one peer, and a page is read meanwhile.
    if (random.chance(0.12)) {
      const at = from + h * hour + random.integer(0, 1200) * second;
      const call = writer.open(at, d.ip, publicAddress(`turn${random.integer(1, 12)}.meet.example`), 3478, 'udp');
      const seconds = random.integer(300, 1800);
      bulk(random, call, at, seconds * random.integer(3_000, 9_000), seconds * random.integer(3_000, 9_000), seconds);
      if (random.chance(0.5)) page(writer, d, at + 100 * second);
    }
    // Files up and down at once; a large upload to someone's store.
    if (random.chance(0.25)) {
      const at = from + h * hour + random.integer(0, 3000) * second;
      writer.exchange(random, at, d.ip, 'sync.office-cloud.example', random.integer(20_000, 2_000_000), 4000, {
        seconds: 6,
      });
      writer.exchange(
        random,
        at + 2 * second,
        d.ip,
        `content${random.integer(1, 6)}.office-cloud.example`,
        3000,
        random.integer(20_000, 2_000_000),
        { seconds: 6 },
      );
    }
    if (random.chance(0.04)) {
      const bytes = random.integer(1_000_000, 6_000_000);
      writer.exchange(
        random,
        from + h * hour + 200 * second,
        d.ip,
        `drop${random.integer(1, 40)}.store.example`,
        bytes,
        20_000,
        { seconds: bytes / 1_000_000 },
      );
    }
  }
}

/** A page: several names at once, most of them new to this host, much down and little up. */
function page(writer: Writer, d: Device, at: number): void {
  const { random } = d;
  const site = Math.floor(4000 ** random.uniform());
  for (let k = random.integer(3, 14); k > 0; k--) {
    const name = random.chance(0.3)
      ? `www.site${site}.example`
      : `c${Math.floor(900 ** random.uniform())}.content.example`;
    writer.exchange(
      random,
      at + random.integer(0, 4 * second),
      d.ip,
      name,
      random.integer(500, 3500),
      Math.round(1200 * Math.exp(Math.abs(random.normal(1.5)))),
      {
        wire: random.chance(0.3) ? 'quic' : 'tls',
        lookup: random.chance(0.6),
      },
    );
  }
}
