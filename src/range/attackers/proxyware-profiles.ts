// Ways in which a device's bandwidth is sold, by what the public says of such services: none is a copy of one vendor's protocol.
// `tune` profiles may be looked at while the detector is built; `held` ones are run when it is frozen.

export interface Profile {
  readonly name: string;
  readonly half: 'tune' | 'held';
  /** The control channel: long TLS, WebSocket (TLS with frames of 2 to 14 octets more), QUIC. */
  readonly control: 'tls' | 'websocket' | 'quic';
  readonly keepAliveSeconds: number;
  /** How relayed octets reach the device: `session` one gateway session a request, `channel` inside the control channel, `pool` a few sessions kept open. */
  readonly carry: 'session' | 'channel' | 'pool';
  readonly gatewayWire: 'tls' | 'quic' | 'plain';
  /** Gateway sessions opened at once for a request, of which one carries. */
  readonly opened: number;
  /** The gateway session's server name: with the dashed address of the gateway, a plain host name, or none. */
  readonly gatewayName: 'dashed' | 'plain' | 'none';
  /** Who asks for the destination's address. */
  readonly lookup: 'device' | 'gateway';
  readonly requestsPerHour: number;
  /** Requests come in bursts of this many over three minutes; 0 where they come one by one. */
  readonly burst: number;
  /** Customers whose requests overlap. */
  readonly customers: number;
  /** Median octets down, and standard deviation of the logarithm. */
  readonly bytesMedian: number;
  readonly bytesSigma: number;
  /** Octets on the gateway's side for one on the exit's side. */
  readonly framing: number;
  readonly exitWire: 'tls' | 'quic' | 'mixed';
  /** How long the device holds octets before it hands them on, milliseconds. */
  readonly holdMillis: number;
  /** Answers are spread over this many seconds. */
  readonly drawOutSeconds: number;
}

const base: Profile = {
  name: '',
  half: 'tune',
  control: 'tls',
  keepAliveSeconds: 60,
  carry: 'session',
  gatewayWire: 'tls',
  opened: 1,
  gatewayName: 'plain',
  lookup: 'device',
  requestsPerHour: 60,
  burst: 0,
  customers: 1,
  bytesMedian: 12_000,
  bytesSigma: 1.2,
  framing: 1.03,
  exitWire: 'tls',
  holdMillis: 8,
  drawOutSeconds: 0,
};

export const profiles: readonly Profile[] = [
  { ...base, name: 'dashed-sni', opened: 3, gatewayName: 'dashed', requestsPerHour: 80 },
  { ...base, name: 'long-tls', carry: 'channel', keepAliveSeconds: 25, requestsPerHour: 50 },
  {
    ...base,
    name: 'websocket',
    control: 'websocket',
    carry: 'channel',
    keepAliveSeconds: 30,
    framing: 1.01,
    lookup: 'gateway',
  },
  { ...base, name: 'quic-gateway', control: 'quic', gatewayWire: 'quic', gatewayName: 'none', requestsPerHour: 70 },
  { ...base, name: 'socks-address', gatewayWire: 'plain', gatewayName: 'none', lookup: 'gateway', framing: 1.002 },
  { ...base, name: 'low-rate', requestsPerHour: 8, bytesMedian: 9_000 },
  { ...base, name: 'bursty', requestsPerHour: 40, burst: 30, bytesMedian: 20_000 },
  {
    ...base,
    half: 'held',
    name: 'many-customers',
    requestsPerHour: 240,
    customers: 5,
    lookup: 'gateway',
    carry: 'pool',
    bytesMedian: 25_000,
  },
  {
    ...base,
    half: 'held',
    name: 'padded-channel',
    carry: 'channel',
    framing: 1.22,
    holdMillis: 60,
    requestsPerHour: 45,
  },
  {
    ...base,
    half: 'held',
    name: 'quic-all',
    control: 'quic',
    gatewayWire: 'quic',
    carry: 'pool',
    exitWire: 'quic',
    gatewayName: 'none',
    requestsPerHour: 60,
  },
  {
    ...base,
    half: 'held',
    name: 'slow-streams',
    requestsPerHour: 20,
    bytesMedian: 600_000,
    bytesSigma: 0.7,
    drawOutSeconds: 40,
  },
  {
    ...base,
    half: 'held',
    name: 'night-only-low',
    requestsPerHour: 10,
    bytesMedian: 6_000,
    gatewayName: 'dashed',
    opened: 2,
    exitWire: 'mixed',
    holdMillis: 300,
  },
];
