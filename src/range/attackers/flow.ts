// Meters and cameras sold as proxies, and the step from an office host into control and twin.
import { ipv4 } from '../encode/ethernet.ts';
import { applicationData, clientHello, serverFlight } from '../encode/tls.ts';
import { type Names, registered } from '../worlds/names.ts';
import { publicAddress } from '../worlds/net.ts';
import { opaque } from '../worlds/traffic.ts';
import type { AttackPlace } from './dns.ts';

const minute = 60e6;

/**
 * Each device holds a control channel; for every customer request it opens a gateway session whose octets leave again,
 * within tens of milliseconds and in the same sizes, towards a shop, a login page or a mail server.
 */
export function sellProxies(
  place: AttackPlace,
  names: Names,
  from: number,
  until: number,
  devices: readonly { id: string; ip: number }[],
): void {
  const { random, net, truth, campaign } = place;
  const zone = registered(random);
  const control = publicAddress(`cp.${zone}`);
  const mark = truth.begin(
    { at: from, until, plane: 'flow', what: 'proxyjacking', assets: devices.map((d) => d.id), campaign },
    'network.pcap',
  );
  devices.forEach((device, i) => {
    let t = net.address(from + i * 180_000, device.ip, `cp.${zone}`, 120, mark);
    const channel = net.connect(device.ip, control, 443);
    t = channel.open(t);
    t = channel.send(t, true, clientHello(random, `cp.${zone}`), false);
    t = channel.send(t + channel.roundTrip, false, serverFlight(random, 1200));
    for (let k = t + 60e6; k < until; k += 180e6) channel.send(k, k % 2 === 0, applicationData(random, 60));
    for (let r = 0; r < 3; r++) {
      const at = t + 20e6 + Math.floor((until - t - 40e6) * random.uniform());
      relay(place, names, zone, at, device.ip);
    }
  });
}

function relay(place: AttackPlace, names: Names, zone: string, at: number, device: number): void {
  const { random, net } = place;
  const gateway = ipv4('203.0.113.0') + random.integer(10, 40);
  const mail = random.chance(0.2);
  const name = random.pick(mail ? names.mail : names.shops);
  const inbound = net.connect(device, gateway, 443);
  let t = inbound.open(at);
  t = inbound.send(t, true, clientHello(random, `gw-${gateway & 255}.${zone}`), false);
  t = inbound.send(t + inbound.roundTrip, false, serverFlight(random, 1100));
  // What the gateway hands over is the customer's hello; it leaves to the destination at once.
  const outbound = net.connect(device, publicAddress(name), mail ? 465 : 443);
  const resolved = random.chance(0.5) ? net.address(t, device, name, 300) : t + 300;
  let o = outbound.open(resolved);
  for (let turn = 0; turn < random.integer(2, 3); turn++) {
    const up = turn === 0 ? clientHello(random, name) : applicationData(random, random.integer(300, 900));
    const down =
      turn === 0 ? serverFlight(random, random.integer(900, 1500)) : applicationData(random, random.integer(500, 1500));
    // The same octets, with a few of framing, on both sides; server to device to customer within milliseconds.
    inbound.send(o - 9000, false, applicationData(random, up.length + 22));
    o = outbound.send(o, true, up, false);
    o = outbound.send(o + outbound.roundTrip, false, down);
    inbound.send(o + 7000, true, applicationData(random, down.length + 22));
    o += random.integer(60_000, 220_000);
  }
  outbound.close(o);
  inbound.close(o + 80_000);
}

/** Office host to engineering workstation (RDP), on to the model store (SMB) and the twin (SSH): no conduit allows it. */
export function stepAcross(place: AttackPlace, from: number, until: number, office: { id: string; ip: number }): void {
  const { random, net, plan, truth, campaign } = place;
  const { engineering, modelStore, twin } = plan.at;
  const assets = [office.id, 'engineering-01', 'modelstore-01', 'twin-01'];
  const mark = truth.begin(
    { at: from, until, plane: 'flow', what: 'lateral-movement', assets, campaign },
    'network.pcap',
  );
  const hop = (at: number, client: number, server: number, port: number, bytes: number): number => {
    const connection = net.connect(client, server, port);
    let t = connection.open(at, mark);
    if (port === 22) {
      const banner = new TextEncoder().encode('SSH-2.0-OpenSSH_9.6\r\n');
      t = connection.send(t, false, banner, false);
      t = connection.send(t, true, banner);
    } else if (port === 3389) {
      t = connection.send(t, true, clientHello(random, ''), false);
      t = connection.send(t + connection.roundTrip, false, serverFlight(random, 1000));
    }
    for (let left = bytes; left > 0; left -= 900) {
      const data = port === 3389 ? applicationData(random, 900) : opaque(random, 900);
      t = connection.send(t + random.integer(20_000, 900_000), random.chance(0.4), data);
    }
    return connection.close(t);
  };
  hop(from, office.ip, engineering, 3389, 60_000);
  hop(from + 4 * minute, engineering, modelStore, 445, 140_000);
  hop(from + 7 * minute, engineering, twin, 22, 18_000);
}
