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
};

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
  },
  [P.Mms]: { 5: 'write', 11: 'define variable list', 76: 'delete file' },
  [P.Bacnet]: { 15: 'write property', 16: 'write properties', 17: 'communication control', 20: 'reinitialise' },
  [P.Cip]: {
    2: 'set all',
    4: 'set list',
    5: 'reset',
    6: 'start',
    7: 'stop',
    16: 'set attribute',
    77: 'write tag',
    83: 'write tag in parts',
  },
  [P.OpcUa]: { 673: 'write', 712: 'call' },
};

export function functionName(protocol: number, code: number, object: string): string {
  const word = words[protocol]?.[code] ?? `function ${code}`;
  return `${protocolNames[protocol] ?? ''} ${word}${object === '' ? '' : ` (${object})`}`;
}

const stopCodes: Readonly<Record<number, readonly number[]>> = {
  [P.Modbus]: [8, 90],
  [P.Dnp3]: [13, 14, 15, 16, 18],
  [P.Iec104]: [105],
  [P.S7]: [0x29],
  [P.Mms]: [41, 43, 44],
  [P.Bacnet]: [17, 20],
  // CIP reset, stop; PCCC set mode (3a, 80) and restart (57, 88) of command 0f.
  [P.Cip]: [5, 7, 0x20f3a, 0x20f57, 0x20f80, 0x20f88],
};

export function stops(protocol: number, code: number, object: string): boolean {
  if (protocol === P.S7 && code === 0x28) return object === 'P_PROGRAM';
  return stopCodes[protocol]?.includes(code) ?? false;
}

export function downloads(protocol: number, code: number, object: string): boolean {
  if (protocol === P.S7) return (code >= 0x1a && code <= 0x1c) || /^_(INSE|DELE|MODU)$/.test(object);
  if (protocol === P.Mms) return code >= 26 && code <= 28;
  return protocol === P.Cip && (code === 0x20f50 || code === 0x20f52);
}
