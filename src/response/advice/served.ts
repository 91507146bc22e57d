// The policy zone as the process that serves it tells of it: doctor and audit run beside that process and ask.
import { ask } from '../ask/index.ts';
import type { RpzSettings } from '../config.ts';
import { markerName, type ZoneInForce } from '../rpz/index.ts';
import { soaSerial, Type } from '../wire/index.ts';

/** @returns undefined where nobody serves it now */
export async function servedZone(rpz: RpzSettings): Promise<ZoneInForce | undefined> {
  const reply = await ask({ ...rpz.listen, name: rpz.zone, type: Type.SOA, recursion: false });
  if ('failed' in reply) return undefined;
  const soa = reply.answers.find((r) => r.type === Type.SOA);
  const serial = soa === undefined ? undefined : soaSerial(reply.message.bytes, soa);
  return serial === undefined ? undefined : { name: rpz.zone, serial, marker: markerName(rpz.zone) };
}
