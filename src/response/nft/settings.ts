// The `response.nft` section of city.yaml: the wall on this machine.
import { isIP } from 'node:net';
import { plainAddress } from './record.ts';

export interface NftFile {
  table?: string;
  /** Hosts that a quarantined device may still reach. */
  remediation?: string[];
  recheckSeconds?: number;
}
export interface NftSettings {
  readonly table: string;
  readonly remediation: readonly { readonly version: 4 | 6; readonly address: string }[];
  readonly recheckSeconds: number;
}

const REMEDIATION_MAX = 64;

/** @param wrong gets a sentence for each wrong value */
export function nftSettings(file: NftFile, wrong: string[]): NftSettings {
  const table = file.table ?? 'parapet';
  if (!/^[a-z_][a-z0-9_]{0,31}$/.test(table)) wrong.push(`response.nft.table: ${table} is no name of a table`);
  const hosts = file.remediation ?? [];
  if (hosts.length > REMEDIATION_MAX) wrong.push(`response.nft.remediation: at most ${REMEDIATION_MAX}`);
  const remediation = hosts.slice(0, REMEDIATION_MAX).flatMap((text) => {
    const address = plainAddress(text);
    if (address === undefined) wrong.push(`response.nft.remediation: ${text} is no address`);
    return address === undefined ? [] : [{ version: isIP(address) as 4 | 6, address }];
  });
  const recheckSeconds = file.recheckSeconds ?? 5;
  if (!(recheckSeconds >= 1 && recheckSeconds <= 60))
    wrong.push('response.nft.recheckSeconds: 1 to 60, so that a wall that lost its entries is not open for long');
  return { table, remediation, recheckSeconds };
}
