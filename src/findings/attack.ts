// Names of the ATT&CK techniques that findings carry (MITRE ATT&CK: Enterprise, ICS v18.1, Mobile v17.1). Other systems
// show a name, not an id; an id that isn't here goes out without one.
const names: Readonly<Record<string, string>> = {
  T0814: 'Denial of Service',
  T0816: 'Device Restart/Shutdown',
  T0831: 'Manipulation of Control',
  T0832: 'Manipulation of View',
  T0836: 'Modify Parameter',
  T0843: 'Program Download',
  T0855: 'Unauthorized Command Message',
  T0856: 'Spoof Reporting Message',
  T0858: 'Change Operating Mode',
  T0859: 'Valid Accounts',
  T0886: 'Remote Services',
  T1021: 'Remote Services',
  'T1021.001': 'Remote Desktop Protocol',
  'T1021.002': 'SMB/Windows Admin Shares',
  'T1021.003': 'Distributed Component Object Model',
  'T1021.004': 'SSH',
  'T1021.006': 'Windows Remote Management',
  T1036: 'Masquerading',
  T1041: 'Exfiltration Over C2 Channel',
  T1048: 'Exfiltration Over Alternative Protocol',
  'T1048.003': 'Exfiltration Over Unencrypted Non-C2 Protocol',
  T1071: 'Application Layer Protocol',
  'T1071.001': 'Web Protocols',
  'T1071.004': 'DNS',
  'T1087.002': 'Domain Account',
  T1090: 'Proxy',
  T1098: 'Account Manipulation',
  'T1110.001': 'Password Guessing',
  'T1110.003': 'Password Spraying',
  'T1136.002': 'Domain Account',
  T1187: 'Forced Authentication',
  T1210: 'Exploitation of Remote Services',
  T1428: 'Exploitation of Remote Services',
  T1430: 'Location Tracking',
  'T1430.002': 'Impersonate SS7 Nodes',
  T1451: 'SIM Card Swap',
  T1464: 'Network Denial of Service',
  T1496: 'Resource Hijacking',
  'T1496.002': 'Bandwidth Hijacking',
  T1498: 'Network Denial of Service',
  T1499: 'Endpoint Denial of Service',
  T1557: 'Adversary-in-the-Middle',
  'T1558.003': 'Kerberoasting',
  'T1558.004': 'AS-REP Roasting',
  T1568: 'Dynamic Resolution',
  'T1568.002': 'Domain Generation Algorithms',
  T1570: 'Lateral Tool Transfer',
  T1572: 'Protocol Tunneling',
  T1573: 'Encrypted Channel',
  T1638: 'Adversary-in-the-Middle',
};

export interface Technique {
  readonly uid: string;
  readonly name?: string;
}

/** The technique with its name, where known. */
export function techniqueOf(id: string): Technique {
  // An id may come from elsewhere: `__proto__` is none of ours.
  return Object.hasOwn(names, id) ? { uid: id, name: names[id]! } : { uid: id };
}

/** Its page, for ids of the form `T1071` or `T1071.004`; ATT&CK keeps one address for all its domains. */
export function techniqueUrl(id: string): string | undefined {
  return /^T\d{4}(\.\d{3})?$/.test(id) ? `https://attack.mitre.org/techniques/${id.replace('.', '/')}` : undefined;
}
