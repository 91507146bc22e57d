// parapet doctor: what this machine can and can't do, with remedies.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { type City, loadCity } from '#city';
import { toJsonLine } from '#findings';
import { adviceText, dnsChecks } from './doctor-dns.ts';
import { ExitCode, options, painter, printable, write } from './options.ts';

export const doctorHelp = `parapet doctor [--city FILE] [--broken NAME] [--advice] [--format text|ndjson]

Says what this machine can and can't do for Parapet: rights, tools, clock, disk, ports, the city file; each with a remedy.
With a city file it also asks the city's resolvers (do they answer, by TCP too, do they validate), audits the zones under
dns.signed (chain of trust, signatures that end soon, algorithms, servers that disagree), and asks each resolver under
response.rpz.consumers whether it has our policy zone and applies it.

  --broken NAME   a name whose DNSSEC signatures are known not to hold: a resolver that validates refuses it. Without one, a zone
                  of dns.signed that the audit finds broken is taken; where there is none, whether forgeries pass is not told
  --advice        print what to write into each resolver's configuration, and nothing else

Exit status 0 where nothing essential is missing, else 3.`;

interface Check {
  readonly kind: 'check';
  readonly what: string;
  readonly ok: boolean;
  /** Without it something named does not work, but the rest does. */
  readonly essential: boolean;
  readonly text: string;
  readonly remedy: string;
  /** Looked at, and it could not be told; "ok" means then that nothing wrong was seen. */
  readonly unsure?: true;
}

export async function doctor(args: string[]): Promise<number> {
  const o = options(args, { broken: { type: 'string' }, advice: { type: 'boolean' } }, ['text', 'ndjson']);
  if (o.help) {
    console.log(doctorHelp);
    return ExitCode.Done;
  }
  const path = o.values.city as string | undefined;
  if (o.values.advice === true) {
    await write(adviceText(loadCity(path)));
    return ExitCode.Done;
  }
  const checks = [
    node(),
    cores(),
    ...tools(),
    capture(),
    disk(),
    clock(),
    await port(),
    city(path),
    ...(await resolvers(path, (o.values.broken as string | undefined) ?? '')),
  ];
  const paint = painter(o.values);
  for (const c of checks) {
    if (o.format === 'ndjson') await write(`${toJsonLine(c)}\n`);
    else
      await write(
        `${label(c, paint)} ${printable(c.text)}${c.remedy === '' || (c.ok && c.unsure === undefined) ? '' : ` ${c.remedy}`}\n`,
      );
  }
  return checks.some((c) => !c.ok && c.essential) ? ExitCode.PartUnread : ExitCode.Done;
}

function label(c: Check, paint: ReturnType<typeof painter>): string {
  if (c.unsure === true) return paint('warn', 'unsure ');
  if (c.ok) return paint('good', 'ok     ');
  return c.essential ? paint('bad', 'missing') : paint('warn', 'without');
}

function check(what: string, ok: boolean, essential: boolean, text: string, remedy: string): Check {
  return { kind: 'check', what, ok, essential, text, remedy };
}

function node(): Check {
  const major = Number(process.versions.node.split('.')[0]);
  return check('node', major >= 26, true, `Node ${process.versions.node}.`, 'Run npm ci, which brings Node 26.');
}

function cores(): Check {
  const n = availableParallelism();
  return check(
    'cores',
    n >= 2,
    false,
    `${n} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB of memory.`,
    'With one core, capture and physics share it: expect drops above a few hundred thousand packets a second.',
  );
}

function tools(): Check[] {
  const list: [string, string, string][] = [
    ['tcpdump', 'live capture', 'apt-get install tcpdump'],
    ['perl', 'a wide pipe from tcpdump on a busy interface', 'apt-get install perl-base'],
    ['mosquitto', 'a real broker behind the gateway (an embedded one is used without it)', 'apt-get install mosquitto'],
    ['chromium', 'the browser tests of the page', 'apt-get install chromium'],
    ['tshark', 'the tests against a peer', 'apt-get install tshark'],
  ];
  return list.map(([tool, use, remedy]) => {
    const found = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'].some(
      (d) => d !== '' && existsSync(join(d, tool)),
    );
    return check(tool, found, false, `${tool}${found ? '' : ' is not here'}: for ${use}.`, `${remedy}.`);
  });
}

function capture(): Check {
  const root = process.getuid?.() === 0;
  const caps = spawnSync('getcap', [process.execPath], { encoding: 'utf8' }).stdout ?? '';
  const ok = root || caps.includes('cap_net_raw');
  return check(
    'capture',
    ok,
    false,
    ok ? 'This user may capture from interfaces.' : 'This user may not capture from interfaces.',
    'Give tcpdump the right: setcap cap_net_raw+ep "$(command -v tcpdump)", or run the capture process as root.',
  );
}

function disk(): Check {
  let dir: string | undefined;
  try {
    dir = mkdtempSync(join(tmpdir(), 'parapet-doctor-'));
    writeFileSync(join(dir, 'x'), 'x');
    accessSync(dir, constants.W_OK);
    const s = statfsSync(dir);
    const free = (s.bavail * s.bsize) / 2 ** 30;
    return check(
      'disk',
      free > 1,
      true,
      `${free.toFixed(1)} GiB free where evidence and state go.`,
      'Free some, or name another folder with --store.',
    );
  } catch (error) {
    return check(
      'disk',
      false,
      true,
      `Nothing can be written: ${(error as Error).message}.`,
      'Name a writable folder with --store or TMPDIR.',
    );
  } finally {
    if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  }
}

function clock(): Check {
  const year = new Date().getUTCFullYear();
  return check(
    'clock',
    year >= 2024 && year < 2100,
    true,
    `The clock says ${new Date().toISOString()}.`,
    'Set the clock (NTP): certificates and deadlines hang on it.',
  );
}

async function port(): Promise<Check> {
  const ok = await new Promise<boolean>((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(8883, '127.0.0.1', () => server.close(() => resolve(true)));
  });
  return check(
    'port',
    ok,
    false,
    ok ? 'Port 8883 on localhost is free for the gateway.' : 'Port 8883 on localhost is taken.',
    'Name another one under gateway.listen in city.yaml.',
  );
}

async function resolvers(path: string | undefined, broken: string): Promise<Check[]> {
  let found: City;
  try {
    found = loadCity(path);
  } catch {
    // Told by the check of the city file.
    return [];
  }
  try {
    return (await dnsChecks(found, broken)).map((c) => ({
      kind: 'check',
      what: `dns/${c.what}`,
      // What asking can't tell is no fault of the resolver's.
      ok: c.ok !== false,
      essential: false,
      text: `${c.subject}: ${c.text}`,
      remedy: c.ok === true ? '' : c.remedy,
      ...(c.ok === undefined ? { unsure: true as const } : {}),
    }));
  } catch (error) {
    return [check('dns', false, false, (error as Error).message, 'Mend the response section of city.yaml.')];
  }
}

function city(path: string | undefined): Check {
  try {
    const c = loadCity(path);
    return check(
      'city',
      true,
      true,
      `City "${c.name}": ${c.assets.length} assets, ${c.zones.size} zones, ${c.dns.resolvers.length} resolvers.`,
      '',
    );
  } catch (error) {
    return check(
      'city',
      false,
      true,
      `The city file is wrong: ${(error as Error).message.split('\n')[0]}`,
      'Mend it, or leave --city out.',
    );
  }
}
