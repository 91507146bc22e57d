// Services by the numbers of events/flow.ts that give control over the other host.

/** They administer it, with their ATT&CK technique. */
export const admin: Readonly<Record<number, { name: string; technique: string }>> = {
  3: { name: 'SMB', technique: 'T1021.002' },
  4: { name: 'DCERPC', technique: 'T1021.003' },
  5: { name: 'SSH', technique: 'T1021.004' },
  6: { name: 'RDP', technique: 'T1021.001' },
  11: { name: 'WinRM', technique: 'T1021.006' },
};
export const SMB = 3;
/** Services of the plant: a new speaker of one of these is as bad as a new administrator. */
export const plant: Readonly<Record<number, string>> = { 8: 'Modbus', 9: 'IEC 104', 12: 'DNP3' };

export const isControl = (service: number): boolean => admin[service] !== undefined || plant[service] !== undefined;

export const nameOf = (service: number): string => admin[service]?.name ?? plant[service] ?? '';
