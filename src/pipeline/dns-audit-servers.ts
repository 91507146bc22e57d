// Each server of a zone, asked itself: that it answers, with authority, signs, and holds the same zone as the others.
import { nameOf, parseName, textOf } from '#detectors/dnssec';
import { formatAddress } from '#lib/address';
import { type Asked, ask, Flag, Type } from '#response/ask';
import { type Asking, type AuditCheck, failureOf, type Make, setsOf, through } from './dns-audit-ask.ts';

const SERVERS_MAX = 16;

interface Server {
  readonly who: string;
  readonly address: string;
}

/** @param isSigned whether the zone ought to be: unsigned answers are told then */
export async function auditServers(
  asking: Asking,
  zone: string,
  port: number,
  isSigned: boolean,
  check: Make,
): Promise<AuditCheck[]> {
  const { places, left } = await serversOf(asking, zone);
  if (places.length === 0)
    return [check('servers', undefined, 'No server of the zone with an address was found.', 'See its NS records.')];
  const seen = await Promise.all(
    places.map(async (p) => {
      const question = { address: p.address, port, name: zone, type: Type.SOA, recursion: false, dnssecOk: true };
      return { ...p, reply: await ask(question) };
    }),
  );
  const out: AuditCheck[] = [];
  const serials = new Map<number, string[]>();
  for (const s of seen) {
    const serial = serialOf(s.reply, zone);
    if ('failed' in s.reply)
      out.push(
        check(
          'server',
          false,
          `${s.who} does not answer: ${s.reply.failed}.`,
          'Bring it back, or take it out of the NS records.',
        ),
      );
    else if (serial === undefined || (s.reply.flags & Flag.AA) === 0)
      out.push(
        check(
          'server',
          false,
          `${s.who} does not answer for the zone${failureOf(s.reply) === '' ? '' : ` (${failureOf(s.reply)})`}.`,
          'See that it holds the zone, or take it out of the NS records.',
        ),
      );
    else {
      serials.set(serial, [...(serials.get(serial) ?? []), s.who]);
      if (isSigned && setsOf(s.reply).every((x) => x.type !== Type.SOA || x.signatures.length === 0))
        out.push(check('server', false, `${s.who} gives the zone unsigned.`, 'See that it fetches the signed zone.'));
    }
  }
  if (serials.size > 1)
    out.push(
      check(
        'serials',
        false,
        `Its servers hold different zones: ${[...serials].map(([n, who]) => `serial ${n} at ${who.join(', ')}`).join('; ')}.`,
        'See that transfers work; for minutes after a change this is normal.',
      ),
    );
  else if (serials.size === 1 && out.length === 0)
    out.push(
      check(
        'servers',
        true,
        `Its ${places.length === 1 ? 'server answers' : `${places.length} servers answer alike`}${isSigned ? ', signed' : ''}, serial ${[...serials.keys()][0]}.`,
      ),
    );
  if (left > 0)
    out.push(check('servers', undefined, `${left} more addresses of its servers were not asked.`, 'Ask them by hand.'));
  return out;
}

function serialOf(reply: Asked, zone: string): number | undefined {
  const data = setsOf(reply).find((x) => x.type === Type.SOA && x.owner === parseName(zone))?.rdatas[0];
  // Two names of at least one octet, five numbers.
  if (data === undefined || data.length < 22) return undefined;
  return new DataView(data.buffer, data.byteOffset, data.length).getUint32(data.length - 20);
}

async function serversOf(asking: Asking, zone: string): Promise<{ places: Server[]; left: number }> {
  const apex = parseName(zone);
  const names = setsOf(await through(asking, zone, Type.NS))
    .filter((s) => s.type === Type.NS && s.owner === apex)
    .flatMap((s) => s.rdatas.map((r) => textOf(nameOf(r))))
    // Resolvers rotate what they give: sorted, two audits ask and say the same.
    .sort();
  const asked = names.slice(0, SERVERS_MAX).flatMap((name) => [Type.A, Type.AAAA].map((type) => ({ name, type })));
  const found = await Promise.all(
    asked.map(async ({ name, type }) =>
      setsOf(await through(asking, name, type))
        .filter((s) => s.type === type)
        .flatMap((s) => s.rdatas.map(addressText))
        .filter((a) => a !== '')
        .sort()
        .map((address) => ({ who: `${name} (${address})`, address })),
    ),
  );
  const all = found.flat();
  const places = all.slice(0, SERVERS_MAX);
  return { places, left: all.length - places.length + Math.max(0, names.length - SERVERS_MAX) };
}

function addressText(data: Uint8Array): string {
  const words = new Uint32Array([0, 0, 0xffff, 0]);
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (data.length === 4) words[3] = view.getUint32(0);
  else if (data.length === 16) for (let i = 0; i < 4; i++) words[i] = view.getUint32(4 * i);
  else return '';
  return formatAddress(words, 0);
}
