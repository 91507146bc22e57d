// Ways of acting on another host, as flows and operations show them, each with its ATT&CK technique.
import { OperationAct, type OperationBatch, OperationProtocol, Service } from '#events';

export interface Way {
  readonly name: string;
  readonly technique: string;
  /** Runs something there: more than a visit. */
  readonly executes: boolean;
  /** Every workstation does it to its servers all day: the first time says little. */
  readonly common: boolean;
  /** A protocol of the plant: a step only where no conduit leads; who writes within a zone is `plant-writer`'s to judge. */
  readonly plant: boolean;
  /** Ports by which flows of the same act are known. */
  readonly tickets: RegExp;
}

const way = (name: string, technique: string, executes: boolean, common: boolean, tickets: RegExp): Way => ({
  name,
  technique,
  executes,
  common,
  plant: false,
  tickets,
});
const plant = (name: string): Way => ({ ...way(name, 'T0886', false, false, /$^/), plant: true });
const files = /^(cifs|host)\//i;

export const ways: Readonly<Record<string, Way>> = {
  winrm: way('WinRM', 'T1021.006', false, false, /^(http|wsman)\//i),
  ssh: way('SSH', 'T1021.004', false, false, /^host\//i),
  rdp: way('RDP', 'T1021.001', false, false, /^termsrv\//i),
  smb: way('SMB', 'T1021.002', false, true, files),
  dcerpc: way('DCERPC', 'T1021.003', false, true, /^(host|rpcss)\//i),
  service: way('a service made and started from afar', 'T1569.002', true, false, files),
  task: way('a task set from afar', 'T1053.005', true, false, files),
  dcom: way('DCOM or WMI activation', 'T1047', true, false, /^(host|rpcss)\//i),
  payload: way('a program written to an administrative share', 'T1570', true, false, files),
  registry: way('a registry value set from afar', 'T1112', true, false, files),
  modbus: plant('Modbus'),
  iec104: plant('IEC 104'),
  dnp3: plant('DNP3'),
  replication: way('a copy of the directory’s secrets asked for', 'T1003.006', true, false, /^(ldap|e3514235|host)/i),
};

const byService: Readonly<Record<number, string>> = {
  [Service.Smb]: 'smb',
  [Service.Dcerpc]: 'dcerpc',
  [Service.Ssh]: 'ssh',
  [Service.Rdp]: 'rdp',
  [Service.Modbus]: 'modbus',
  [Service.Iec104]: 'iec104',
  [Service.Winrm]: 'winrm',
  [Service.Dnp3]: 'dnp3',
};

export function wayOfService(service: number): string {
  return byService[service] ?? '';
}

const programs = /\$\\.*\.(exe|dll|ps1|bat|cmd|vbs|scr)$/i;

/** The way that an operation takes; '' where it is none. */
export function wayOfOperation(b: OperationBatch, i: number): string {
  const protocol = b.protocol[i]!;
  const act = b.act[i]!;
  if (protocol === OperationProtocol.Winrm) return 'winrm';
  if (protocol === OperationProtocol.Smb)
    return act === OperationAct.Write && programs.test(b.objectText(i)) ? 'payload' : '';
  if (protocol !== OperationProtocol.Dcerpc || act < OperationAct.Write) return '';
  switch (b.objectText(i)) {
    case 'svcctl':
      return 'service';
    case 'atsvc':
    case 'ITaskSchedulerService':
      return 'task';
    case 'IRemoteActivation':
    case 'ISystemActivator':
    case 'IWbemServices':
      return 'dcom';
    case 'winreg':
      return 'registry';
    case 'drsuapi':
      return 'replication';
    default:
      return '';
  }
}
