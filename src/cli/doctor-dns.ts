// What doctor learns of resolvers: those of the city, those that take our policy zone, and the zones the city depends on. All by
// asking, each question with two seconds.
import type { City } from '#city';
import { type AuditCheck, auditResolver, auditZone, type Place } from '#pipeline';
import { responseSettings } from '#response';
import { adviceFor, checkConsumer, servedZone } from '#response/advice';

const PORT = 53;
const remedies: Readonly<Record<string, string>> = {
  answers: 'See that it runs, and that it may be asked from here.',
  transferred: 'See the names and addresses in its set-up: parapet doctor --advice.',
  applied: 'See its set-up: parapet doctor --advice.',
  'before-recursion': 'Set qname-wait-recurse no: parapet doctor --advice.',
  validates: 'Switch DNSSEC validation on.',
  'signed-queries': 'See its set-up: parapet doctor --advice.',
};

export async function dnsChecks(city: City, broken: string): Promise<AuditCheck[]> {
  const resolvers: Place[] = city.dns.resolvers.map((address) => ({ address, port: PORT }));
  const [zone] = city.dns.signed;
  const audits = await Promise.all(resolvers.map((r) => auditResolver(r, zone ?? '.', broken)));
  const [first] = resolvers;
  const now = Math.floor(Date.now() / 1000);
  const zones =
    first === undefined
      ? []
      : await Promise.all(city.dns.signed.map((z) => auditZone(z, first, city.file.dns?.anchors, now)));
  return [...audits.flat(), ...zones.flat(), ...(await consumerChecks(city))];
}

async function consumerChecks(city: City): Promise<AuditCheck[]> {
  const { rpz } = responseSettings(city);
  if (rpz === undefined || rpz.consumers.length === 0) return [];
  const served = await servedZone(rpz);
  const at = `${rpz.listen.address}:${rpz.listen.port}`;
  if (served === undefined)
    return [
      {
        subject: rpz.zone,
        what: 'served',
        ok: false,
        text: `Nobody serves the policy zone at ${at}: nothing is refused now.`,
        remedy: 'Run parapet watch or serve with this city.yaml and a store.',
      },
    ];
  const checks = await Promise.all(rpz.consumers.map((c) => checkConsumer(c, served)));
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
