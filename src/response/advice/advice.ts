// What to write into a resolver's configuration, exactly, so that it fetches our zone and applies it as meant. The live tests run
// each resolver with these very texts. Where an option isn't the default, its comment says what goes wrong without it.
import { type Consumer, type Endpoint, endpointText, type RpzSettings } from '../config.ts';

export interface AdviceSection {
  /** Where the text belongs: `server`, `options`, `top level`, `recursor.conf`, `lua-config-file`, `kresd.conf`. */
  readonly where: string;
  readonly text: string;
}
/** Stands where the shared secret belongs: it is never printed. */
export const SECRET_PLACE = '<the secret of this key, base64>';

export function adviceFor(consumer: Consumer, rpz: RpzSettings, listening: Endpoint = rpz.listen): AdviceSection[] {
  if (consumer.kind === 'unbound') return unbound(rpz, listening);
  if (consumer.kind === 'bind') return bind(consumer, rpz, listening);
  if (consumer.kind === 'powerdns') return powerdns(consumer, rpz, listening);
  return knot(consumer);
}

function unbound(rpz: RpzSettings, at: Endpoint): AdviceSection[] {
  return [
    {
      where: 'server',
      text: `# respip must come first, or no policy is applied at all; validator stays where it was.
module-config: "respip validator iterator"
`,
    },
    {
      where: 'top level',
      text: `rpz:
    # The name must be this one: a zone under another name is silently not loaded.
    name: "${rpz.zone}"
    primary: ${at.address}@${at.port}
    # Without it a block waits for the next poll instead of a tenth of a second.
    allow-notify: ${at.address}
    rpz-log: yes
    rpz-log-name: "parapet"
`,
    },
  ];
}

function bind(c: Consumer, rpz: RpzSettings, at: Endpoint): AdviceSection[] {
  const keyName = c.tsig?.name;
  const key = keyName === undefined ? '' : `key "${keyName}" { algorithm hmac-sha256; secret "${SECRET_PLACE}"; };\n`;
  return [
    {
      where: 'options',
      text: `response-policy {
    zone "${rpz.zone}" policy given max-policy-ttl ${rpz.ttlSeconds};
}
    # By default a blocked name is first resolved, and so still reaches the attacker's server: for a tunnel that is the leak.
    qname-wait-recurse no
    # By default queries with DO=1 for signed names are not rewritten.
    break-dnssec yes
    # By default 60 s pass between two updates of the policy.
    min-update-interval 1;
`,
    },
    {
      where: 'top level',
      text: `${key}zone "${rpz.zone}" {
    type secondary;
    primaries { ${at.address} port ${at.port}${keyName === undefined ? '' : ` key "${keyName}"`}; };
    # Without NOTIFY it polls no oftener than its min-refresh-time, 300 s.
    allow-notify { ${at.address}; };
    allow-query { localhost; };
    # Rules that were learned survive a restart without us.
    file "${rpz.zone}.db";
};
`,
    },
  ];
}

function powerdns(c: Consumer, rpz: RpzSettings, at: Endpoint): AdviceSection[] {
  const tsig =
    c.tsig === undefined ? '' : `, tsigname="${c.tsig.name}", tsigalgo="hmac-sha256", tsigsecret="${SECRET_PLACE}"`;
  return [
    {
      where: 'recursor.conf',
      text: `# Answers given before a block stay in the packet cache: keep it shorter than you want to wait.
packetcache-ttl=${rpz.ttlSeconds}
`,
    },
    {
      where: 'lua-config-file',
      text: `-- The Recursor takes no NOTIFY for a policy zone: refresh is what a block waits for.
rpzPrimary("${endpointText(at)}", "${rpz.zone}", {refresh=5${tsig}, extendedErrorCode=15, extendedErrorExtra="parapet"})
`,
    },
  ];
}

function knot(c: Consumer): AdviceSection[] {
  return [
    {
      where: 'kresd.conf',
      text: `-- Needs lua-cqueues (Debian: lua-cqueues) to see that the file changed. Put it before rules that forward.
modules.load('policy')
policy.add(policy.rpz(policy.DENY, '${c.file ?? '/path/of/response.rpz.consumers.file'}', true))
`,
    },
  ];
}
