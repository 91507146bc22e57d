// The page in a real browser, driven as a person would: by keyboard, on a phone's width, in the dark.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ensurePage } from './build.ts';
import { type Console, startConsole } from './server.ts';
import { actions, findings, gridViews, heldCommand, incident, START, TestSource, trust, unseen } from './testing.ts';

const executablePath = '/usr/bin/chromium';
const args =
  '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';
const there = existsSync(executablePath);
if (!there) console.log(`skipped: the page in a browser; ${executablePath} is not installed`);

/** 1 writes the pictures of docs/, a folder writes them there. */
const asked = process.env.PARAPET_SCREENS;
const screens = asked === '1' ? join(import.meta.dirname, '..', '..', 'docs', 'screens') : asked;

const widths = { phone: { width: 360, height: 780 }, wide: { width: 1680, height: 1050 } };

describe.skipIf(!there)('the page in a browser', () => {
  let browser: Browser;
  let server: Console;
  let source: TestSource;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    await ensurePage();
    browser = await chromium.launch({ executablePath, args: args.split(' ') });
  });
  afterAll(async () => browser?.close());
  beforeEach(() => {
    complaints = [];
  });
  afterEach(async () => {
    await page?.close();
    await server?.close();
    expect(complaints).toEqual([]);
  });

  async function open(
    from: TestSource,
    options: { viewport?: { width: number; height: number }; colorScheme?: 'light' | 'dark' } = {},
  ): Promise<void> {
    source = from;
    server = await startConsole({ port: 0, source });
    page = await browser.newPage({ viewport: widths.wide, colorScheme: 'light', reducedMotion: 'reduce', ...options });
    page.on('pageerror', (e) => complaints.push(e.message));
    page.on('console', (m) => {
      // 409 and 404 answers are part of some tests; the browser logs them itself.
      if (m.type() === 'error' && !/status of 4\d\d/.test(m.text())) complaints.push(m.text());
    });
    page.on('request', (r) => {
      if (!r.url().startsWith(server.url)) complaints.push(`asked elsewhere: ${r.url()}`);
    });
    await page.goto(server.url);
    await page.getByText('Up to date').waitFor();
  }

  async function shot(name: string, fullPage = true): Promise<void> {
    if (screens === undefined) return;
    mkdirSync(screens, { recursive: true });
    await page.screenshot({ path: join(screens, `${name}.png`), fullPage });
  }

  const focused = (): Promise<string> => page.evaluate(() => document.activeElement?.textContent ?? '');

  /** Tabs until what has the focus reads `text`; a trap or an unreachable control ends in an error. */
  async function tabTo(text: string): Promise<void> {
    for (let i = 0; i < 80; i++) {
      if ((await focused()).trim() === text) return;
      await page.keyboard.press('Tab');
    }
    throw new Error(`"${text}" is not reached by the keyboard; the focus is on "${await focused()}"`);
  }

  it('says what is happening, shows the incident in order, and why the command is held', async () => {
    await open(TestSource.underAttack());
    expect(await page.title()).toBe('(1 waiting) Parapet · Exampleville');
    await page.getByText('Under attack', { exact: true }).waitFor();
    await page.getByText('14:05:12', { exact: true }).waitFor();
    const story = page.getByRole('list', { name: 'What happened, in order' });
    expect(await story.locator('> li summary span').allInnerTexts()).toEqual(incident.story.map((s) => s.text));
    const held = page.getByRole('region', { name: '1 command held' });
    for (const reason of heldCommand().verdict.reasons) await held.getByText(reason).waitFor();
    await held.getByText('meter-0032', { exact: true }).waitFor();
    expect(await held.locator('svg.grid .bus').count()).toBe(118);
    expect(await held.locator('svg.grid .line').count()).toBe(186);
  });

  it('leads from a step of the story to file and frame', async () => {
    await open(TestSource.underAttack());
    await page.getByText('It sends data out inside DNS questions.').click();
    await page.locator('.story').getByText("tshark -r 'network.pcap' -Y frame.number==20411 -V").waitFor();
  });

  it('fetches a finding that it does not hold', async () => {
    const from = TestSource.underAttack();
    from.state = { ...from.state, findings: [] };
    (from as TestSource & { finding?: (id: string) => unknown }).finding = (id: string) =>
      findings.find((f) => f.id === id);
    await open(from);
    await page.getByText('It sends data out inside DNS questions.').click();
    await page.getByText('Gateway gw-07 sends data out inside DNS questions').waitFor();
  });

  it('shows before and after', async () => {
    await open(TestSource.underAttack());
    await page.getByText('23.6 % of load without supply').or(page.getByText('24 % of load without supply')).waitFor();
    expect(await page.locator('.bus-dark').count()).toBeGreaterThan(5);
    await page.getByText('Now', { exact: true }).click();
    await page.getByText('Now (estimated)').waitFor();
    expect(await page.locator('svg.grid .bus-dark').count()).toBe(0);
  });

  it('is released by two people with the keyboard alone, and never by one', async () => {
    await open(TestSource.underAttack());
    const { target } = heldCommand().command;
    const release = async (person: string, confirm = target): Promise<void> => {
      await tabTo('Release…');
      await page.keyboard.press('Enter');
      await page.getByRole('dialog').waitFor();
      await page.keyboard.type(person);
      await page.keyboard.press('Tab');
      await page.keyboard.type(confirm);
      await page.keyboard.press('Enter');
    };
    await release('A. Okafor', 'power/branch/1');
    await page.getByText(`Type ${target} to confirm.`).waitFor();
    expect(source.holds.get('cmd-204')!.approvals).toEqual([]);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(await focused()).toBe('Release…');

    await release('A. Okafor');
    await page.getByText('Agreed: A. Okafor. 1 more needed.').waitFor();
    await release('a. okafor');
    await page.getByText('a. okafor has agreed already; another person is needed.').waitFor();
    await page.keyboard.press('Escape');
    expect(source.executed).toEqual([]);

    await release('J. Lindqvist');
    await page.getByText('No command is waiting.').waitFor();
    expect(source.executed).toEqual(['cmd-204']);
    await page.waitForFunction(() => document.activeElement?.id === 'held-title');
    await page.getByRole('status').getByText('Released by A. Okafor and J. Lindqvist; it has run.').waitFor();
  });

  it('is refused by one person', async () => {
    await open(TestSource.underAttack());
    await page.getByRole('button', { name: 'Refuse…' }).click();
    await page.getByLabel('Your name').fill('M. Tanaka');
    await page.getByRole('button', { name: 'Refuse', exact: true }).click();
    await page.getByText('No command is waiting.').waitFor();
    expect(source.holds.get('cmd-204')!.outcome!.what).toBe('refused');
  });

  it('tells a DNS incident in full: what left, by what, why, what would be refused, and where to look', async () => {
    await open(TestSource.underAttack());
    const facts = page.getByRole('region', { name: 'What leaves through DNS' });
    const dns = findings.find((f) => f.plane === 'dns')!;
    await facts.getByText('18,432').waitFor();
    await facts.getByText('612 at the alert').waitFor();
    await facts.getByText('iodine', { exact: true }).waitFor();
    expect(await facts.locator('dd code').textContent()).toBe('t.updates.example');
    expect(await facts.locator('.reasons li').count()).toBe(3);
    expect(await facts.locator('.records li').allInnerTexts()).toEqual(dns.response.map((r) => r.record));
    for (const [label, frame] of [
      ['First', 20411],
      ['Decisive', 20655],
      ['Last', 88120],
    ])
      await facts.getByText(`${label}: network.pcap frame ${frame}`).waitFor();
  });

  it('sums up what is seen of names and what is not', async () => {
    await open(TestSource.underAttack());
    const panel = page.getByRole('region', { name: 'Names (DNS)' });
    expect(await panel.locator('tbody tr').allInnerTexts()).toEqual([expect.stringMatching(/dns-tunnel\s+1\s+high/)]);
    await panel.getByText('names not seen').waitFor();
    await panel.getByText('1,204').waitFor();
    expect(await panel.getByText('sampled 1 in 64').count()).toBe(0);
    const data = { ...unseen[0]!, count: 2000 };
    source.send({ type: 'coverage', data });
    await panel.getByText('2,000').waitFor();
    expect(await panel.locator('.unseen li').count()).toBe(2);
  });

  it('shows each action: records, for whom, until when on event time, because of what, and the proof per resolver', async () => {
    await open(TestSource.underAttack());
    const panel = page.getByRole('region', { name: /^Actions/ });
    await panel.getByText('1 proposed, 1 in force').waitFor();
    const on = panel.locator('.action-enforced');
    await on.getByText('32.7.0.20.10.rpz-client-ip CNAME *.').waitFor();
    await on.getByText('for 10.20.0.7, by J. Lindqvist').waitFor();
    await on.getByText('3 h 42 min', { exact: true }).waitFor();
    source.send({ type: 'progress', data: { phase: 'attack', at: START + 3600e6, speed: 60, text: 'Later.' } });
    await on.getByText('2 h 42 min', { exact: true }).waitFor();
    const proofs = on.getByRole('list', { name: 'What each resolver answered' }).locator('li');
    expect(await proofs.allInnerTexts()).toEqual([
      expect.stringMatching(/unbound-east refuses\s+asked for the canary, got NXDOMAIN/),
      expect.stringMatching(/bind-west does not refuse\s+asked for the canary, got an answer/),
    ]);
    await on.getByRole('button', { name: 'Gateway gw-07 calls the same' }).click();
    await page.getByRole('dialog', { name: 'Finding' }).getByText('intervals differ').waitFor();
    await page.keyboard.press('Escape');
    await panel.getByText('2 actions ended or refused').click();
    await panel.getByText('unbound-east no longer refuses').waitFor();
    expect(await panel.getByText('Never refused: the city protects').isVisible()).toBe(true);
  });

  it('enforces and undoes an action with the keyboard alone, says exactly what, and asks who', async () => {
    await open(TestSource.underAttack());
    await tabTo('Enforce…');
    await page.keyboard.press('Enter');
    const asked = page.getByRole('dialog', { name: 'Enforce: refuse t.updates.example' });
    await asked
      .getByText('These 2 records will be installed in 2 resolvers: unbound-east, bind-west, for every client:')
      .waitFor();
    expect(await asked.locator('.records li').allInnerTexts()).toEqual(actions[0]!.records.map((r) => r.record));
    await asked.getByText('It ends by itself after the time that city.yaml gives').waitFor();
    await page.keyboard.press('Enter');
    await asked.getByText('Say who you are.').waitFor();
    await page.keyboard.type('Nobody');
    await page.keyboard.press('Enter');
    await asked.getByText('Nobody may not do that.').waitFor();
    expect(source.responded).toEqual([]);
    await page.keyboard.press('Escape');
    await asked.waitFor({ state: 'detached' });
    expect(await focused()).toBe('Enforce…');

    await page.keyboard.press('Enter');
    await asked.waitFor();
    await page.keyboard.type('A. Okafor');
    await page.keyboard.press('Enter');
    await page.getByRole('status').getByText('In force in unbound-east, bind-west.').waitFor();
    expect(source.responded).toEqual(['enforce a-new A. Okafor']);
    await page.waitForFunction(() => document.activeElement?.id === 'actions-title');
    await page.getByText('0 proposed, 2 in force').first().waitFor();

    await tabTo('Undo…');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Undo: no longer refuse t.updates.example' }).waitFor();
    await page.keyboard.type('J. Lindqvist');
    await page.keyboard.press('Enter');
    await page.getByRole('status').getByText('Undone in unbound-east, bind-west.').waitFor();
    expect(source.responded).toEqual(['enforce a-new A. Okafor', 'undo a-new J. Lindqvist']);
  });

  it('can take back what is published and not confirmed, and does not enforce it twice', async () => {
    const from = TestSource.underAttack();
    from.send({
      type: 'action',
      data: { ...actions[0]!, until: START + 3600e6, text: 'The resolvers are being asked.' },
    });
    await open(from);
    const published = page.locator('.action-published');
    await published.getByText('Published, not confirmed').waitFor();
    await published.getByText('1 h', { exact: true }).waitFor();
    expect(await page.getByRole('button', { name: /^Enforce/ }).count()).toBe(0);
    await published.getByRole('button', { name: 'Undo t.updates.example…' }).click();
    await page.getByLabel('Your name').fill('A. Okafor');
    await page.getByRole('button', { name: 'Undo', exact: true }).click();
    await page.getByRole('status').getByText('Undone in unbound-east, bind-west.').waitFor();
    expect(source.responded).toEqual(['undo a-new A. Okafor']);
  });

  it('keeps a long record and a hostile name within a phone', async () => {
    const label = 'abcdefghijklmnopqrstuvwxyz0123456789'.repeat(2).slice(0, 63);
    const subject = `${[label, label, label, label.slice(0, 61)].join('.')}`;
    const from = TestSource.underAttack();
    const records = [{ type: 'rpz' as const, record: `*.${subject} CNAME .` }];
    from.send({ type: 'action', data: { ...actions[0]!, subject, records } });
    await open(from, { viewport: widths.phone });
    const wide = (): Promise<number> => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(await wide()).toBeLessThanOrEqual(0);
    await page.getByRole('button', { name: /^Enforce / }).click();
    await page.locator('dialog[open]').waitFor();
    expect(await wide()).toBeLessThanOrEqual(0);
    expect(
      await page.evaluate(() => {
        const dialog = document.querySelector('dialog[open]')!;
        return dialog.scrollWidth - dialog.clientWidth;
      }),
    ).toBe(0);
  });

  it('does not do what has changed since it was read', async () => {
    await open(TestSource.underAttack());
    await page.getByRole('button', { name: 'Enforce t.updates.example…' }).click();
    const records = [{ type: 'rpz' as const, record: '*.example CNAME .' }];
    source.send({ type: 'action', data: { ...actions[0]!, records } });
    await page.getByLabel('Your name').fill('A. Okafor');
    await page.getByRole('button', { name: 'Enforce', exact: true }).click();
    await page.getByText('The records have changed since they were shown. Read them again.').waitFor();
    expect(source.responded).toEqual([]);
  });

  it('has no actions where nothing responds', async () => {
    const from = TestSource.underAttack();
    await open(
      Object.assign(from, { actions: undefined, respond: undefined, consumers: undefined, unseen: undefined }),
    );
    await page.getByText('Hijacked meters feed false load').waitFor();
    expect(await page.locator('#actions').count()).toBe(0);
  });

  it('shows what happens as it happens, and speaks of a new held command at once', async () => {
    const { now } = gridViews();
    await open(new TestSource({ grid: { ...now, buses: now.buses.map((b) => ({ ...b, trust: 0.98 })) } }));
    await page.getByText('No command is waiting.').waitFor();
    await shot('quiet-light');
    for (const data of findings) source.send({ type: 'finding', data });
    for (const data of trust) source.send({ type: 'trust', data });
    source.send({ type: 'incident', data: incident });
    source.send({ type: 'progress', data: { phase: 'attack', at: START, speed: 60, text: 'It has begun.' } });
    source.send({ type: 'hold', data: heldCommand() });
    await page.getByText('It has begun.').waitFor();
    await page.getByRole('alert').getByText('A command is held: Open line').waitFor();
    expect(await page.locator('.findings tbody tr').count()).toBe(findings.length);
    source.send({
      type: 'end',
      data: {
        with: { loadLostShare: 0, harmfulExecuted: 0 },
        without: { loadLostShare: 0.236, harmfulExecuted: 1 },
        text: 'The command never ran. Without Parapet the east would be dark.',
      },
    });
    source.refuse('cmd-204', 'M. Tanaka');
    source.send({
      type: 'progress',
      data: { phase: 'end', at: START, speed: 0, text: 'It is over; all lights are on.' },
    });
    await page.getByRole('region', { name: 'How it ended' }).waitFor();
    await page.getByText('It is over; all lights are on.').waitFor();
    await shot('end-light');
  });

  it('says so when the connection is lost, and catches up with a restarted server', async () => {
    await open(TestSource.underAttack());
    const { port } = server;
    await server.close();
    await page.getByText('Connection lost: what you see may be old').waitFor();
    complaints = [];
    server = await startConsole({ port, source });
    source.send({ type: 'progress', data: { phase: 'end', at: START, speed: 0, text: 'Back again.' } });
    source.state = { ...source.state, progress: { phase: 'end', at: START, speed: 0, text: 'Back again.' } };
    await page.getByText('Back again.').waitFor();
    await page.getByRole('button', { name: 'Refuse…' }).click();
    await page.getByLabel('Your name').fill('M. Tanaka');
    await page.getByRole('button', { name: 'Refuse', exact: true }).click();
    await page.getByText('No command is waiting.').waitFor();
    complaints = complaints.filter((c) => !/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE/.test(c));
  });

  it('filters the findings and opens one', async () => {
    await open(TestSource.underAttack());
    await page.getByLabel('Find', { exact: true }).fill('iodine');
    await page.getByText('1 of 5').waitFor();
    await page.locator('.findings tbody button').click();
    await page.getByRole('dialog', { name: 'Finding' }).getByText('network.pcap').first().waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  });

  it('shows hostile text as text', async () => {
    const nasty = '<img src=x onerror=alert(1)>\u202e';
    const from = TestSource.underAttack();
    from.state = { ...from.state, findings: [{ ...findings[0]!, title: nasty }] };
    await open(from);
    await page.locator('.findings').getByText('<img src=x').waitFor();
    expect(await page.locator('img').count()).toBe(0);
  });

  for (const [name, viewport] of Object.entries(widths))
    for (const colorScheme of ['light', 'dark'] as const)
      it(`fits a ${name} screen, ${colorScheme}: nothing to scroll sideways, targets large enough, text readable`, async () => {
        await open(TestSource.underAttack(), { viewport, colorScheme });
        await page.locator('.story > li summary').nth(2).click();
        expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(
          0,
        );
        expect(await page.evaluate(smallTargets)).toEqual([]);
        expect(await page.evaluate(paleTexts)).toEqual([]);
        await shot(`attack-${name}-${colorScheme}`);
        await page.getByRole('button', { name: 'Enforce t.updates.example…' }).click();
        expect(await page.evaluate(smallTargets)).toEqual([]);
        expect(await page.evaluate(paleTexts)).toEqual([]);
        await shot(`enforce-${name}-${colorScheme}`, false);
      });

  it('keeps still while it loads (no layout shift after the first state)', async () => {
    await open(TestSource.underAttack());
    const shift = await page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          let sum = 0;
          new PerformanceObserver((list) => {
            for (const e of list.getEntries()) sum += (e as PerformanceEntry & { value: number }).value;
          }).observe({ type: 'layout-shift' });
          setTimeout(() => resolve(sum), 500);
        }),
    );
    expect(shift).toBeLessThan(0.01);
  });

  it('changes its theme by hand', async () => {
    await open(TestSource.underAttack());
    const ground = (): Promise<string> => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    await page.getByLabel('Theme').selectOption('dark');
    expect(await ground()).not.toBe(light);
  });
});

/** Controls under 24 by 24 px (WCAG 2.2, 2.5.8); links within a sentence are exempt. Runs in the page. */
function smallTargets(): string[] {
  return [...document.querySelectorAll<HTMLElement>('button, summary, select, input:not([type=radio])')]
    .filter((e) => e.getClientRects().length > 0)
    .map((e) => ({ e, r: e.getBoundingClientRect() }))
    .filter(({ r }) => r.height < 23.5 || r.width < 23.5)
    .map(({ e, r }) => `${e.tagName} "${e.textContent}" ${Math.round(r.width)}x${Math.round(r.height)}`);
}

/** Texts with less than 4.5:1 against the ground they stand on (WCAG 2.2, 1.4.3). Runs in the page. */
function paleTexts(): string[] {
  const pixel = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })!;
  const channels = (color: string): number[] => {
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = color;
    pixel.fillRect(0, 0, 1, 1);
    return [...pixel.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (c: number[]): number => {
    const [r, g, b] = c
      .slice(0, 3)
      .map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  };
  const groundOf = (e: Element | null): number[] => {
    for (let at = e; at !== null; at = at.parentElement) {
      const c = channels(getComputedStyle(at).backgroundColor);
      if (c[3]! > 250) return c;
    }
    return [255, 255, 255, 255];
  };
  const pale = new Set<string>();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement!;
    const text = walker.currentNode.textContent?.trim() ?? '';
    if (text === '' || e.getClientRects().length === 0 || e.closest('.heard, svg, option') !== null) continue;
    const a = luminance(channels(getComputedStyle(e).color));
    const b = luminance(groundOf(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) pale.add(`${ratio.toFixed(2)} "${text.slice(0, 40)}"`);
  }
  return [...pale];
}
