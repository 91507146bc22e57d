// Names of plant protocols and of the functions that people ask about first, and which functions stop or load a controller.
import { OperationProtocol as P } from '#events';

export const protocolNames: Readonly<Record<number, string>> = {
  [P.Modbus]: 'Modbus',
  [P.Dnp3]: 'DNP3',
  [P.Iec104]: 'IEC 104',
  [P.S7]: 'S7',
  [P.S7Plus]: 'S7 plus',
  [P.Mms]: 'MMS',
  [P.Goose]: 'GOOSE',
  [P.Bacnet]: 'BACnet',
  [P.Cip]: 'CIP',
  [P.OpcUa]: 'OPC UA',
  [P.Mqtt]: 'MQTT',
  [P.Profinet]: 'PROFINET',
};

/** User data: security group, password (decoders/ot/s7). */
const S7_PASSWORD = 0x10501;
/** What a DCP Set sets (decoders/ot/profinet). */
const Dcp = {
  Address: 0x10102,
  AddressAndServers: 0x10103,
  Name: 0x10202,
  ResetFactory: 0x10505,
  Reset: 0x10506,
} as const;
const CipClass = {
  Identity: 0x01,
  File: 0x37,
  Program: 0x68,
  Routine: 0x6a,
  Tag: 0x6b,
  Clock: 0x8b,
  Mode: 0x8e,
  Interface: 0xf5,
} as const;

const words: Readonly<Record<number, Readonly<Record<number, string>>>> = {
  [P.Modbus]: {
    5: 'write single coil',
    6: 'write single register',
    8: 'diagnostics',
    15: 'write coils',
    16: 'write registers',
    22: 'mask write',
    23: 'read and write',
    90: 'UMAS',
  },
  [P.Dnp3]: {
    2: 'write',
    3: 'select',
    4: 'operate',
    5: 'direct operate',
    6: 'direct operate, no answer',
    13: 'cold restart',
    14: 'warm restart',
    17: 'start application',
    18: 'stop application',
    20: 'enable unsolicited',
    21: 'disable unsolicited',
    27: 'delete file',
  },
  [P.Iec104]: {
    45: 'single command',
    46: 'double command',
    47: 'regulating step',
    48: 'set point',
    58: 'single command with time',
    103: 'clock',
    105: 'reset process',
  },
  [P.S7]: {
    5: 'write variable',
    26: 'request download',
    27: 'download block',
    28: 'download ended',
    40: 'program invocation',
    41: 'stop',
    [S7_PASSWORD]: 'password',
  },
  [P.Mms]: { 5: 'write', 11: 'define variable list', 76: 'delete file' },
  [P.Bacnet]: { 15: 'write property', 16: 'write properties', 17: 'communication control', 20: 'reinitialise' },
  [P.Cip]: {
    2: 'set all',
    4: 'set list',
    5: 'reset',
    6: 'start',
    7: 'stop',
    8: 'create',
    9: 'delete',
    16: 'set attribute',
    77: 'write tag',
    83: 'write tag in parts',
  },
  [P.OpcUa]: { 673: 'write', 712: 'call' },
  [P.Profinet]: {
    [Dcp.Address]: 'set address',
    [Dcp.AddressAndServers]: 'set address and name servers',
    [Dcp.Name]: 'set name of station',
    [Dcp.ResetFactory]: 'reset to the state of the factory',
    [Dcp.Reset]: 'reset to the state of the factory',
  },
};
const cipObjects: Readonly<Record<number, string>> = {
  [CipClass.Identity]: 'identity',
  [CipClass.File]: 'file',
  [CipClass.Program]: 'program',
  [CipClass.Routine]: 'routine',
  [CipClass.Tag]: 'tag',
  [CipClass.Clock]: 'clock',
  [CipClass.Mode]: 'mode',
  [CipClass.Interface]: 'network interface',
};

export function functionName(protocol: number, code: number, object: string, number: number): string {
  const word = words[protocol]?.[code] ?? (code > 0xffff ? `function 0x${code.toString(16)}` : `function ${code}`);
  const of = object === '' && protocol === P.Cip && code < 0x10000 ? (cipObjects[number] ?? '') : object;
  return `${protocolNames[protocol] ?? ''} ${word}${of === '' ? '' : ` (${of})`}`;
}

/** What an operation does to the controller beyond its data. */
export const Effect = { Works: 0, Stops: 1, Loads: 2, Moves: 3, Unlocks: 4 } as const;

const stopCodes: Readonly<Record<number, readonly number[]>> = {
  [P.Modbus]: [8, 90],
  [P.Dnp3]: [13, 14, 15, 16, 18],
  [P.Iec104]: [105],
  [P.S7]: [0x29],
  [P.Mms]: [41, 43, 44],
  [P.Bacnet]: [17, 20],
  // CIP reset, start, stop; PCCC shut down, restart, mode, memory, and command 07 (outputs, scanning).
  [P.Cip]: [5, 6, 7, 0x20f07, 0x20f0a, 0x20f3a, 0x20f57, 0x20f80, 0x20700, 0x20701, 0x20703],
  // DCP: reset to the state of the factory.
  [P.Profinet]: [Dcp.ResetFactory, Dcp.Reset],
};
const loadedClasses: ReadonlySet<number> = new Set([CipClass.File, CipClass.Program, CipClass.Routine, CipClass.Tag]);

/** @returns one of Effect for an operation that is engineering or shows a password */
export function effectOf(protocol: number, code: number, object: string, number: number): number {
  if (protocol === P.S7 && code === S7_PASSWORD) return Effect.Unlocks;
  if (protocol === P.S7 && code === 0x28 && object === 'P_PROGRAM') return Effect.Stops;
  if (stopCodes[protocol]?.includes(code)) return Effect.Stops;
  switch (protocol) {
    case P.S7:
      return (code >= 0x1a && code <= 0x1c) || /^_(INSE|DELE|MODU)$/.test(object) ? Effect.Loads : Effect.Works;
    case P.Mms:
      return code >= 26 && code <= 28 ? Effect.Loads : Effect.Works;
    case P.Profinet:
      return Effect.Moves;
    case P.Cip:
      if (number === CipClass.Mode) return Effect.Stops;
      if (number === CipClass.Interface) return Effect.Moves;
      return loadedClasses.has(number) || cipDownloads.has(code) ? Effect.Loads : Effect.Works;
    default:
      return Effect.Works;
  }
}

/** PCCC download requests and what ends them, mode for them, online edits. */
const cipDownloads: ReadonlySet<number> = new Set([0x20f05, 0x20f50, 0x20f52, 0x20f11, 0x20f12, 0x20704]);
