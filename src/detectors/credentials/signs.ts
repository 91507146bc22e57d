// What counts against a host, with the technique (ATT&CK) and the words of a title: "A <does> at B".
export const signs = {
  probe: { technique: 'T1087.002', does: 'tries which users there are' },
  spray: { technique: 'T1110.003', does: 'tries passwords of many users' },
  guess: { technique: 'T1110.001', does: 'tries passwords of one user' },
  gotIn: { technique: 'T1110.003', does: 'got in' },
  roast: { technique: 'T1558.003', does: 'collects service tickets that can be cracked' },
  unproved: { technique: 'T1558.004', does: 'collects user tickets that can be cracked' },
  secureChannel: { technique: 'T1210', does: 'breaks into the secure channel (Zerologon)' },
  passwordSet: { technique: 'T1098', does: 'sets a machine’s password' },
  coerce: { technique: 'T1187', does: 'makes the server sign in elsewhere' },
  controller: { technique: '', does: '' },
  made: { technique: 'T1136.002', does: 'makes an account' },
  raised: { technique: 'T1098', does: 'adds to a group' },
  role: { technique: '', does: '' },
} as const;

export type SignName = keyof typeof signs;
