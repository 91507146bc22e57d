// What doctor learns of resolvers: those of the city, those that take our policy zone, and the zones the city depends on. All by
// asking, each question with two seconds.
import type { City } from '#city';
import { type AuditCheck, auditResolver, auditZone, type Place } from '#pipeline';
import { type ResponseSettings, responseSettings } from '#response';
import { adviceFor, checkConsumer, servedZone } from '#response/advice';
import { ask, Type } from '#response/ask';

const PORT = 53;
const remedies: Readonly<Record<string, string>> = {
  transferred: 'See the names and addresses in its set-up: parapet doctor --advice.',
  applied: 'See its set-up: parapet doctor --advice.',
  canary: 'See that no policy zone or local data before ours answers for it.',
  'before-recursion': 'Set qname-wait-recurse no: parapet doctor --advice.',
  'signed-queries': 'See its set-up: parapet doctor --advice.',
};

type Rpz = NonNullable<ResponseSettings['rpz']>;
interface Named {
  readonly subject: string;
  readonly place: Place;
}

/** @param serverPort where authoritative servers listen; 53 but for tests */
export async function dnsChecks(city: City, broken: string, serverPort = 53): Promise<AuditCheck[]> {
  const { rpz } = responseSettings(city);
  const places = placesOf(city, rpz);
  const anchors = city.file.dns?.anchors;
  const nowSeconds = Math.floor(Date.now() / 1000);
  const zones = await zoneChecks(city, places, nowSeconds, serverPort);
  // What is at hand to try a resolver by: a zone found sound, and one found broken where the caller names none.
  const chains = zones.filter((c) => c.what === 'chain');
  const sound = chains.find((c) => c.status === 'secure')?.subject;
  const bogus = chains.find((c) => c.status === 'bogus')?.subject;
  const trial = {
    ...(sound === undefined ? {} : { sound }),
    ...(broken !== '' ? { broken } : bogus === undefined ? {} : { broken: bogus, brokenType: Type.SOA }),
    anchors,
    nowSeconds,
  };
  const audits = await Promise.all(places.map(({ subject, place }) => auditResolver(place, { ...trial, subject })));
  return [...audits.flat(), ...zones, ...(await consumerChecks(rpz))];
}

/** Every resolver once: by address where the city lists it, else by the name it has as a consumer of our zone. */
function placesOf(city: City, rpz: Rpz | undefined): Named[] {
  const found = new Map<string, Named>();
  for (const address of city.dns.resolvers)
    found.set(`${address} ${PORT}`, { subject: address, place: { address, port: PORT } });
  for (const c of rpz?.consumers ?? []) {
    if (c.ask === undefined || found.has(`${c.ask.address} ${c.ask.port}`)) continue;
    const place = { ...c.ask, ...(c.from === undefined ? {} : { from: c.from }) };
    found.set(`${c.ask.address} ${c.ask.port}`, { subject: c.name, place });
  }
  return [...found.values()];
}

async function zoneChecks(
  city: City,
  places: readonly Named[],
  nowSeconds: number,
  serverPort: number,
): Promise<AuditCheck[]> {
  const { signed } = city.dns;
  if (signed.length === 0) return [];
  const replies = await Promise.all(places.map((p) => ask({ ...p.place, name: signed[0]!, type: Type.SOA })));
  const by = places.find((_, i) => !('failed' in replies[i]!));
  if (by === undefined)
    return [
      {
        subject: 'dns.signed',
        what: 'answers',
        ok: places.length === 0 ? undefined : false,
        text: `${places.length === 0 ? 'No resolver is named' : 'No resolver answers'}, so the zones could not be looked at.`,
        remedy: 'Name one that answers under dns.resolvers of city.yaml.',
      },
    ];
  const audits = signed.map((z) => auditZone(z, by.place, city.file.dns?.anchors, nowSeconds, serverPort));
  return (await Promise.all(audits)).flat();
}

async function consumerChecks(rpz: Rpz | undefined): Promise<AuditCheck[]> {
  if (rpz === undefined || rpz.consumers.length === 0) return [];
  const served = await servedZone(rpz);
  const at = `${rpz.listen.address}:${rpz.listen.port}`;
  if (served === undefined)
    return [
      {
        subject: rpz.zone,
        what: 'served',
        ok: false,
        text: `Nobody serves the policy zone at ${at}: nothing new is refused now, and what resolvers still refuse can't be compared.`,
        remedy: 'Run parapet watch or serve with this city.yaml and a store.',
      },
    ];
  const checks = await Promise.all(rpz.consumers.map((c) => checkConsumer(c, served, rpz.canaries)));
  return [
    {
      subject: rpz.zone,
      what: 'served',
      ok: true,
      text: `The policy zone is served at ${at}, serial ${served.serial}.`,
      remedy: '',
    },
    ...checks
      .flat()
      // Those are told of every resolver, by more than the root.
      .filter((c) => c.name !== 'validates' && (c.name !== 'answers' || c.ok !== true))
      // Only BIND shows policy zones; of the others "applied" tells.
      .filter((c) => c.name !== 'transferred' || c.ok !== undefined)
      .map((c) => ({ subject: c.consumer, what: c.name, ok: c.ok, text: c.text, remedy: remedies[c.name] ?? '' })),
  ];
}

/** What to write into each consumer's configuration; secrets are left out. */
export function adviceText(city: City): string {
  const { rpz } = responseSettings(city);
  if (rpz === undefined || rpz.consumers.length === 0)
    return 'city.yaml names no resolver under response.rpz.consumers: there is nothing to set up.\n';
  return rpz.consumers
    .map((c) =>
      adviceFor(c, rpz)
        .map((s) => `# ${c.name} (${c.kind}): ${s.where}\n${s.text}`)
        .join('\n'),
    )
    .join('\n');
}
