// Interfaces of DCERPC by UUID and the operations of them that tell a purpose, with their opnums (MS-SCMR, MS-TSCH, MS-DCOM,
// MS-WMI, MS-SAMR, MS-DRSR, MS-LSAD, MS-SRVS, MS-WKST, MS-RRP, MS-EVEN6,
// MS-NRPC, MS-RPRN, MS-EFSR, MS-DFSNM, MS-FSRVP). A packet has the numbers, a Zeek log the names: held
// here, both give the same row.
import { OperationAct } from './operation.ts';

interface RpcInterface {
  /** First field of the UUID, as a number. */
  readonly uuid: number;
  /** Name as Zeek and Windows' pipes write it. */
  readonly name: string;
  readonly operations: Readonly<Record<string, readonly [opnum: number, act: number]>>;
}

const { Other, Read, Write, Command, Engineering } = OperationAct;

/** MS-EFSR: each opens a path that its caller names. */
const encryptingFiles: RpcInterface['operations'] = {
  EfsRpcOpenFileRaw: [0, Read],
  EfsRpcEncryptFileSrv: [4, Write],
  EfsRpcDecryptFileSrv: [5, Write],
  EfsRpcQueryUsersOnFile: [6, Read],
  EfsRpcQueryRecoveryAgents: [7, Read],
  EfsRpcRemoveUsersFromFile: [8, Write],
  EfsRpcAddUsersToFile: [9, Write],
  EfsRpcFileKeyInfo: [12, Read],
  EfsRpcDuplicateEncryptionInfoFile: [13, Write],
  EfsRpcAddUsersToFileEx: [15, Write],
  EfsRpcFileKeyInfoEx: [16, Read],
};

export const rpcInterfaces: readonly RpcInterface[] = [
  {
    uuid: 0x367abb81,
    name: 'svcctl',
    operations: {
      CloseServiceHandle: [0, Other],
      ControlService: [1, Command],
      DeleteService: [2, Command],
      QueryServiceStatus: [6, Read],
      ChangeServiceConfigW: [11, Command],
      CreateServiceW: [12, Command],
      EnumServicesStatusW: [14, Read],
      OpenSCManagerW: [15, Other],
      OpenServiceW: [16, Other],
      QueryServiceConfigW: [17, Read],
      StartServiceW: [19, Command],
      CreateServiceA: [24, Command],
      OpenSCManagerA: [27, Other],
      OpenServiceA: [28, Other],
      StartServiceA: [31, Command],
      CreateServiceWOW64A: [44, Command],
      CreateServiceWOW64W: [45, Command],
      CreateWowService: [60, Command],
    },
  },
  {
    uuid: 0x1ff70682,
    name: 'atsvc',
    operations: {
      NetrJobAdd: [0, Command],
      NetrJobDel: [1, Command],
      NetrJobEnum: [2, Read],
      NetrJobGetInfo: [3, Read],
    },
  },
  {
    uuid: 0x86d35949,
    name: 'ITaskSchedulerService',
    operations: { SchRpcRegisterTask: [1, Command], SchRpcRun: [12, Command], SchRpcDelete: [13, Command] },
  },
  { uuid: 0x4d9f4ab8, name: 'IRemoteActivation', operations: { RemoteActivation: [0, Command] } },
  {
    uuid: 0x000001a0,
    name: 'ISystemActivator',
    operations: { RemoteGetClassObject: [3, Command], RemoteCreateInstance: [4, Command] },
  },
  { uuid: 0x99fcfec4, name: 'IOXIDResolver', operations: { ResolveOxid: [0, Other], ServerAlive2: [5, Other] } },
  {
    uuid: 0x9556dc99,
    name: 'IWbemServices',
    operations: { ExecMethod: [24, Command], ExecQuery: [20, Read], PutInstance: [14, Write] },
  },
  { uuid: 0xe1af8308, name: 'epmapper', operations: { ept_map: [3, Other], ept_lookup: [2, Read] } },
  {
    uuid: 0x12345778,
    name: 'samr',
    operations: {
      SamrConnect: [0, Other],
      SamrCloseHandle: [1, Other],
      SamrQuerySecurityObject: [3, Read],
      SamrLookupDomainInSamServer: [5, Read],
      SamrEnumerateDomainsInSamServer: [6, Read],
      SamrOpenDomain: [7, Other],
      SamrCreateGroupInDomain: [10, Write],
      SamrEnumerateGroupsInDomain: [11, Read],
      SamrCreateUserInDomain: [12, Write],
      SamrEnumerateUsersInDomain: [13, Read],
      SamrEnumerateAliasesInDomain: [15, Read],
      SamrGetAliasMembership: [16, Read],
      SamrLookupNamesInDomain: [17, Read],
      SamrLookupIdsInDomain: [18, Read],
      SamrOpenGroup: [19, Other],
      SamrQueryInformationGroup: [20, Read],
      SamrAddMemberToGroup: [22, Write],
      SamrGetMembersInGroup: [25, Read],
      SamrOpenAlias: [27, Other],
      SamrAddMemberToAlias: [31, Write],
      SamrGetMembersInAlias: [33, Read],
      SamrOpenUser: [34, Other],
      SamrDeleteUser: [35, Write],
      SamrQueryInformationUser: [36, Read],
      SamrSetInformationUser: [37, Write],
      SamrGetGroupsForUser: [39, Read],
      SamrQueryDisplayInformation: [40, Read],
      SamrQueryInformationUser2: [47, Read],
      SamrCreateUser2InDomain: [50, Write],
      SamrSetInformationUser2: [58, Write],
      SamrConnect5: [64, Other],
    },
  },
  {
    uuid: 0xe3514235,
    name: 'drsuapi',
    operations: {
      DRSBind: [0, Other],
      DRSUnbind: [1, Other],
      DRSGetNCChanges: [3, Engineering],
      DRSCrackNames: [12, Read],
      DRSWriteSPN: [13, Write],
      DRSDomainControllerInfo: [16, Read],
    },
  },
  // lsarpc shares the first field with samr (12345778-1234-abcd-ef00-0123456789ab); it is told apart by its last octet.
  {
    uuid: 0x12345778 + 0x100000000,
    name: 'lsarpc',
    operations: {
      LsarClose: [0, Other],
      LsarEnumerateTrustedDomains: [13, Read],
      LsarOpenPolicy2: [44, Other],
      LsarLookupSids2: [57, Read],
      LsarLookupNames3: [68, Read],
      LsarLookupSids3: [76, Read],
      LsarLookupNames4: [77, Read],
    },
  },
  {
    uuid: 0x4b324fc8,
    name: 'srvsvc',
    operations: {
      NetrShareEnum: [15, Read],
      NetrSessionEnum: [12, Read],
      NetrShareGetInfo: [16, Read],
      NetrServerGetInfo: [21, Read],
    },
  },
  { uuid: 0x6bffd098, name: 'wkssvc', operations: { NetrWkstaGetInfo: [0, Read], NetrWkstaUserEnum: [2, Read] } },
  {
    uuid: 0x338cd001,
    name: 'winreg',
    operations: {
      OpenLocalMachine: [2, Other],
      BaseRegCreateKey: [6, Write],
      BaseRegSetValue: [22, Write],
      BaseRegSaveKey: [20, Read],
    },
  },
  {
    uuid: 0x12345678,
    name: 'netlogon',
    operations: {
      NetrServerReqChallenge: [4, Other],
      NetrLogonGetCapabilities: [21, Other],
      NetrServerAuthenticate: [5, Other],
      NetrServerAuthenticate2: [15, Other],
      NetrServerAuthenticate3: [26, Other],
      NetrLogonGetDomainInfo: [29, Read],
      NetrLogonSamLogonWithFlags: [45, Other],
      // Zeek's spelling of the same.
      NetrLogonSameLogonWithFlags: [45, Other],
      NetrServerPasswordSet2: [30, Engineering],
      NetrLogonSamLogonEx: [39, Other],
    },
  },
  // spoolss shares the first field with netlogon (12345678-1234-abcd-ef00-0123456789ab).
  {
    uuid: 0x12345678 + 0x100000000,
    name: 'spoolss',
    operations: {
      RpcRemoteFindFirstPrinterChangeNotification: [62, Other],
      RpcRemoteFindFirstPrinterChangeNotificationEx: [65, Other],
    },
  },
  // c681d488-d850-11d0-8c52-00c04fd90f7e in the pipes of lsarpc and others, df1941c5-fe89-4e79-bf10-463657acf44d in its own.
  { uuid: 0xc681d488, name: 'efsrpc', operations: encryptingFiles },
  { uuid: 0xdf1941c5, name: 'efsrpc', operations: encryptingFiles },
  {
    uuid: 0x4fc742e0,
    name: 'netdfs',
    operations: { NetrDfsAddStdRoot: [12, Write], NetrDfsRemoveStdRoot: [13, Write] },
  },
  {
    uuid: 0xa8e0653c,
    name: 'FileServerVssAgent',
    operations: { IsPathSupported: [8, Read], IsPathShadowCopied: [9, Read] },
  },
  { uuid: 0x3919286a, name: 'dssetup', operations: { DsRolerGetPrimaryDomainInformation: [0, Read] } },
  { uuid: 0xf6beaff7, name: 'eventlog6', operations: { EvtRpcClearLog: [6, Engineering] } },
];

const byUuid = new Map(rpcInterfaces.map((r) => [r.uuid, r] as const));
const byName = new Map(rpcInterfaces.map((r) => [r.name.toLowerCase(), r] as const));
const acts = new Map(
  rpcInterfaces.map(
    (r) => [r.name, new Map(Object.values(r.operations).map(([n, act]) => [n, act] as const))] as const,
  ),
);

/** @param last last octet of the UUID: samr and lsarpc share the first field, and so do netlogon and spoolss */
export function rpcInterfaceOf(uuid: number, last: number): string {
  const shared = (uuid === 0x12345778 || uuid === 0x12345678) && last === 0xab;
  return byUuid.get(shared ? uuid + 0x100000000 : uuid)?.name ?? '';
}

/** What an operation does; `Other` where no table holds it. */
export function rpcAct(name: string, opnum: number): number {
  return acts.get(name)?.get(opnum) ?? Other;
}

/** Our spelling of an interface's name; as given where no table holds it. */
export function rpcInterfaceNamed(name: string): string {
  return byName.get(name.toLowerCase())?.name ?? name;
}

/** Opnum of a named operation; -1 where no table holds it. */
export function rpcOpnum(name: string, operation: string): number {
  const operations = byName.get(name.toLowerCase())?.operations;
  return operations !== undefined && Object.hasOwn(operations, operation) ? operations[operation]![0] : -1;
}

/** Name of an operation by number, for people. */
export function rpcOperationName(name: string, opnum: number): string {
  for (const [operation, [n]] of Object.entries(byName.get(name.toLowerCase())?.operations ?? {}))
    if (n === opnum) return operation;
  return `operation ${opnum}`;
}
