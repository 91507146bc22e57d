import type { DetectorCard } from '../contract.ts';

export const HOSTS_MAX = 4096;
export const CLAIMS_MAX = 1024;
export const ASKED_MAX = 4096;
export const KEYS_MAX = 64;

export const card: DetectorCard = {
  name: 'credentials',
  plane: 'flow',
  family: 'movement',
  behaviour:
    'A host tries users or passwords, collects tickets that can be cracked, breaks a controller’s secure channel, makes servers sign in to it, or makes accounts from afar.',
  takes: ['operation'],
  scope: 'city',
  techniques: ['T1087.002', 'T1110.001', 'T1110.003', 'T1558.003', 'T1558.004', 'T1210', 'T1187', 'T1136.002', 'T1098'],
  cannotSee: [
    'Tries by NTLM where only packets are read: they don’t tell the outcome (Zeek’s log does).',
    'Passwords tried over LDAP, HTTP, SSH or RDP; tickets asked for with AES keys; a handful of tries, or one in ten minutes.',
    'What is encrypted: Kerberos in armour (FAST) names nobody.',
  ],
  innocentCauses: [
    'A service whose password has changed; a gateway, mail or VPN server that signs in for many users (say so by its role).',
    'Old services that have no AES keys, asked for by a management server.',
    'A print client of a server that is a domain controller too; backup by remote shadow copies.',
    'An administrator who makes accounts with the old tools; a computer that joins the domain.',
  ],
  firstSteps: [
    'Ask who works on the host, and look at what it ran at that time.',
    'Look whether a user that was tried signed in afterwards, and change that password.',
    'For tickets that can be cracked: change the passwords of the services named, and give them AES keys.',
    'For a broken secure channel: look at the controller’s machine password and patch level at once.',
  ],
  memoryBound: `${HOSTS_MAX} hosts with ${KEYS_MAX} keys of each kind, ${ASKED_MAX} requests, ${CLAIMS_MAX} claims; the oldest goes`,
};
