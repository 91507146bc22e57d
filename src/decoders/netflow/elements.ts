// Information elements that a flow needs (IANA "IPFIX Information Elements"; NetFlow v9 has the same numbers up to 127), as
// slots of a row of numbers. All others are passed over by their length.

export const Slot = {
  None: -1,
  Octets: 0,
  Packets: 1,
  OctetsTotal: 2,
  PacketsTotal: 3,
  OutOctets: 4,
  OutPackets: 5,
  InitiatorOctets: 6,
  InitiatorPackets: 7,
  ResponderOctets: 8,
  ResponderPackets: 9,
  ReverseOctets: 10,
  ReversePackets: 11,
  ReverseOctetsTotal: 12,
  ReversePacketsTotal: 13,
  ReverseTcpFlags: 14,
  Layer2Octets: 15,
  Protocol: 16,
  TcpFlags: 17,
  SourcePort: 18,
  DestinationPort: 19,
  IcmpTypeCode: 20,
  IcmpType: 21,
  FirstUptime: 22,
  LastUptime: 23,
  /** Times below are whole microseconds once read. */
  StartAt: 24,
  EndAt: 25,
  ObservedAt: 26,
  StartBeforeExport: 27,
  EndBeforeExport: 28,
  Duration: 29,
  BootAt: 30,
  EndReason: 31,
  Direction: 32,
  BiflowDirection: 33,
  FirewallEvent: 34,
  IpVersion: 35,
  SamplerId: 36,
  SelectorId: 37,
  SamplingInterval: 38,
  SamplerInterval: 39,
  SamplingPacketInterval: 40,
  SamplingPacketSpace: 41,
  SamplingSize: 42,
  SamplingPopulation: 43,
  SamplingProbability: 44,
  IngressInterface: 45,
  // From here on not numbers: addresses go into words, sections are places in the datagram.
  SourceIpv4: 46,
  DestinationIpv4: 47,
  SourceIpv6: 48,
  DestinationIpv6: 49,
  FrameSection: 50,
  IpSection: 51,
} as const;

export const SLOTS = 52;
/** Slots below are numbers. */
export const NUMBER_SLOTS: number = Slot.SourceIpv4;

/** Reverse elements: RFC 5103 6.1. */
export const REVERSE_PEN = 29305;

/** How the octets of a field become its number. */
export const Form = { Uint: 0, Seconds: 1, Millis: 2, Micros: 3, Ntp: 4, Float: 5, Bytes: 6 } as const;

const element = new Map<number, readonly [slot: number, form: number]>([
  [1, [Slot.Octets, Form.Uint]],
  [2, [Slot.Packets, Form.Uint]],
  [4, [Slot.Protocol, Form.Uint]],
  [6, [Slot.TcpFlags, Form.Uint]],
  [7, [Slot.SourcePort, Form.Uint]],
  [8, [Slot.SourceIpv4, Form.Bytes]],
  [10, [Slot.IngressInterface, Form.Uint]],
  [11, [Slot.DestinationPort, Form.Uint]],
  [12, [Slot.DestinationIpv4, Form.Bytes]],
  [21, [Slot.LastUptime, Form.Uint]],
  [22, [Slot.FirstUptime, Form.Uint]],
  [23, [Slot.OutOctets, Form.Uint]],
  [24, [Slot.OutPackets, Form.Uint]],
  [27, [Slot.SourceIpv6, Form.Bytes]],
  [28, [Slot.DestinationIpv6, Form.Bytes]],
  [32, [Slot.IcmpTypeCode, Form.Uint]],
  [34, [Slot.SamplingInterval, Form.Uint]],
  [48, [Slot.SamplerId, Form.Uint]],
  [50, [Slot.SamplerInterval, Form.Uint]],
  [60, [Slot.IpVersion, Form.Uint]],
  [61, [Slot.Direction, Form.Uint]],
  [85, [Slot.OctetsTotal, Form.Uint]],
  [86, [Slot.PacketsTotal, Form.Uint]],
  [104, [Slot.FrameSection, Form.Bytes]],
  [136, [Slot.EndReason, Form.Uint]],
  [139, [Slot.IcmpTypeCode, Form.Uint]],
  [150, [Slot.StartAt, Form.Seconds]],
  [151, [Slot.EndAt, Form.Seconds]],
  [152, [Slot.StartAt, Form.Millis]],
  [153, [Slot.EndAt, Form.Millis]],
  [154, [Slot.StartAt, Form.Ntp]],
  [155, [Slot.EndAt, Form.Ntp]],
  [156, [Slot.StartAt, Form.Ntp]],
  [157, [Slot.EndAt, Form.Ntp]],
  [158, [Slot.StartBeforeExport, Form.Micros]],
  [159, [Slot.EndBeforeExport, Form.Micros]],
  [160, [Slot.BootAt, Form.Millis]],
  [161, [Slot.Duration, Form.Millis]],
  [162, [Slot.Duration, Form.Micros]],
  [176, [Slot.IcmpType, Form.Uint]],
  [178, [Slot.IcmpType, Form.Uint]],
  [180, [Slot.SourcePort, Form.Uint]],
  [181, [Slot.DestinationPort, Form.Uint]],
  [182, [Slot.SourcePort, Form.Uint]],
  [183, [Slot.DestinationPort, Form.Uint]],
  [231, [Slot.InitiatorOctets, Form.Uint]],
  [232, [Slot.ResponderOctets, Form.Uint]],
  [233, [Slot.FirewallEvent, Form.Uint]],
  [239, [Slot.BiflowDirection, Form.Uint]],
  [298, [Slot.InitiatorPackets, Form.Uint]],
  [299, [Slot.ResponderPackets, Form.Uint]],
  [302, [Slot.SelectorId, Form.Uint]],
  [305, [Slot.SamplingPacketInterval, Form.Uint]],
  [306, [Slot.SamplingPacketSpace, Form.Uint]],
  [309, [Slot.SamplingSize, Form.Uint]],
  [310, [Slot.SamplingPopulation, Form.Uint]],
  [311, [Slot.SamplingProbability, Form.Float]],
  [313, [Slot.IpSection, Form.Bytes]],
  [315, [Slot.FrameSection, Form.Bytes]],
  [322, [Slot.ObservedAt, Form.Seconds]],
  [323, [Slot.ObservedAt, Form.Millis]],
  [324, [Slot.ObservedAt, Form.Ntp]],
  [325, [Slot.ObservedAt, Form.Ntp]],
  [352, [Slot.Layer2Octets, Form.Uint]],
]);

const reverse: Readonly<Record<number, number>> = {
  1: Slot.ReverseOctets,
  2: Slot.ReversePackets,
  6: Slot.ReverseTcpFlags,
  85: Slot.ReverseOctetsTotal,
  86: Slot.ReversePacketsTotal,
};

/** ASA before 8.4 wrote the firewall event under this number (v9 has no enterprise bit). */
const ASA_EVENT = 40_005;

/** Slot of an element, Slot.None where it is not needed. */
export function slotOf(id: number, enterprise: number): number {
  if (enterprise === 0) return id === ASA_EVENT ? Slot.FirewallEvent : (element.get(id)?.[0] ?? Slot.None);
  return enterprise === REVERSE_PEN ? (reverse[id] ?? Slot.None) : Slot.None;
}

export function formOf(id: number, enterprise: number): number {
  return enterprise === 0 ? (element.get(id)?.[1] ?? Form.Uint) : Form.Uint;
}
