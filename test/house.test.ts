// The house: which room may import which, that rooms are entered by their doors, that folders and registry agree, that
// event time is the only clock where it must be, and that nothing private leaks into committed text.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decoders, detectors, sources } from '#pipeline';

const root = join(import.meta.dirname, '..');
const src = join(root, 'src');

/** The table of docs/architecture.md: arrows go down only. `*` is everything above pipeline. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  city: ['lib'],
  events: ['lib'],
  findings: ['lib'],
  sources: ['lib', 'events'],
  decoders: ['lib', 'events'],
  detectors: ['lib', 'city', 'events', 'findings'],
  twins: ['lib', 'city', 'events', 'findings'],
  trust: ['lib', 'city', 'findings'],
  incidents: ['lib', 'city', 'findings'],
  response: ['lib', 'city', 'findings'],
  zones: ['lib', 'city', 'events', 'findings'],
  gateway: ['lib', 'city', 'events', 'findings'],
  store: ['lib', 'events', 'findings'],
  bus: ['lib', 'events', 'findings'],
  pipeline: [
    'lib',
    'city',
    'events',
    'findings',
    'sources',
    'decoders',
    'detectors',
    'twins',
    'trust',
    'incidents',
    'response',
    'zones',
    'gateway',
    'store',
    'bus',
  ],
  range: ['lib', 'city', 'events'],
  // City loading, configuration and verbs by hand need what pipeline needs; the faces still compute nothing.
  cli: [
    'lib',
    'city',
    'events',
    'findings',
    'pipeline',
    'store',
    'range',
    'console',
    'twins',
    'gateway',
    'bus',
    'response',
    'zones',
  ],
  console: ['lib', 'findings', 'pipeline', 'store', 'range'],
};

/** Rooms where a clock, chance or a timer would make a replay differ from the live run. */
const timeless = [
  'lib',
  'city',
  'events',
  'findings',
  'decoders',
  'detectors',
  'twins',
  'trust',
  'incidents',
  'zones',
  'range',
];
const forbidden: readonly [RegExp, string][] = [
  [/\bDate\.now\b|\bnew Date\(\)/, 'event time comes with the batch (`at`), or by advance(to)'],
  [/\bMath\.random\b/, 'use #lib/random with a seed given at the start'],
  [/\bsetTimeout\b|\bsetInterval\b|\bsetImmediate\b/, 'time-outs are due in advance(to)'],
  [/\bperformance\.now\b/, 'measure in bench/, not here'],
];

function files(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir).flatMap((name) => {
    const path = join(dir, name);
    if (name === 'dist' || name === 'node_modules') return [];
    if (statSync(path).isDirectory()) return files(path);
    return /\.tsx?$/.test(name) ? [path] : [];
  });
}

const isTest = (path: string): boolean => path.endsWith('.test.ts');
const roomOf = (path: string): string => relative(src, path).split('/')[0]!;
const specifiers = (text: string): string[] =>
  [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((m) => m[1]!);

describe('the house', () => {
  const all = files(src);

  it('every import follows the table of rooms', () => {
    const wrong: string[] = [];
    for (const path of all.filter((p) => !isTest(p))) {
      const room = roomOf(path);
      for (const s of specifiers(readFileSync(path, 'utf8'))) {
        if (!s.startsWith('#')) continue;
        const target = s.slice(1).split('/')[0]!;
        if (target !== room && !mayImport[room]?.includes(target))
          wrong.push(
            `${relative(root, path)} imports ${s}: ${room} may import ${mayImport[room]?.join(', ') || 'nothing'}. Pass it in from pipeline, or move the shared idea to lib or events.`,
          );
      }
    }
    expect(wrong).toEqual([]);
  });

  it('no relative import leaves its room, and doors exist', () => {
    const wrong: string[] = [];
    for (const path of all) {
      for (const s of specifiers(readFileSync(path, 'utf8'))) {
        if (s.startsWith('.')) {
          const target = join(dirname(path), s);
          if (!target.startsWith(join(src, roomOf(path))))
            wrong.push(
              `${relative(root, path)} reaches ${s}: use the door #${relative(src, target).split('/').slice(0, 2).join('/')}`,
            );
        } else if (s.startsWith('#') && !existsSync(join(src, s.slice(1), 'index.ts')))
          wrong.push(`${relative(root, path)} imports ${s}, which has no index.ts`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('clock, chance and timers stay out of the rooms of event time', () => {
    const wrong: string[] = [];
    for (const path of all.filter((p) => !isTest(p) && timeless.includes(roomOf(p)))) {
      const lines = readFileSync(path, 'utf8').split('\n');
      for (const [n, line] of lines.entries())
        for (const [pattern, instead] of forbidden)
          if (pattern.test(line) && !line.trimStart().startsWith('//') && !line.trimStart().startsWith('*'))
            wrong.push(`${relative(root, path)}:${n + 1}: ${instead}`);
    }
    expect(wrong).toEqual([]);
  });

  it('registered decoders, detectors and sources are the folders that exist', () => {
    const registered = (text: string, room: string): string[] =>
      [...new Set([...text.matchAll(new RegExp(`'#${room}/([^']+)'`, 'g'))].map((m) => m[1]!))].sort();
    const registry = readFileSync(join(src, 'pipeline', 'registry.ts'), 'utf8');
    // Folders that hold a shared part of several, or a live source that is opened by name, are not registered themselves.
    const shared: Readonly<Record<string, readonly string[]>> = {
      decoders: ['tls', 'tcap', 'quic'],
      detectors: [],
      sources: ['file', 'lines', 'live', 'mqtt'],
    };
    for (const room of ['decoders', 'detectors', 'sources']) {
      const folders = readdirSync(join(src, room)).filter(
        (n) => statSync(join(src, room, n)).isDirectory() && !shared[room]!.includes(n),
      );
      expect(registered(registry, room), room).toEqual(folders.sort());
    }
  });

  it('cards are complete: what it cannot see, innocent causes, first steps', () => {
    for (const { card } of detectors) {
      expect(card.behaviour.length, card.name).toBeGreaterThan(20);
      for (const list of [card.cannotSee, card.innocentCauses, card.firstSteps])
        expect(list.length, card.name).toBeGreaterThan(0);
      expect(card.memoryBound.length, card.name).toBeGreaterThan(3);
    }
    for (const { card } of decoders)
      for (const [code, f] of Object.entries(card.faults)) expect(f.remedy.length, code).toBeGreaterThan(5);
    for (const { card } of sources)
      for (const [code, f] of Object.entries(card.faults)) expect(f.lost.length, code).toBeGreaterThan(2);
  });

  it('names of detectors, decoders and sources are unique', () => {
    for (const list of [decoders, detectors, sources]) {
      const names = list.map((k) => k.card.name);
      expect(new Set(names).size).toBe(names.length);
    }
  });

  it('each decoder, detector and source folder has its page', () => {
    const missing: string[] = [];
    for (const room of ['decoders', 'detectors', 'sources'])
      for (const name of readdirSync(join(src, room))) {
        const dir = join(src, room, name);
        if (statSync(dir).isDirectory() && !existsSync(join(dir, 'README.md'))) missing.push(relative(root, dir));
      }
    expect(missing).toEqual([]);
  });

  it('links in the docs lead somewhere', () => {
    const broken: string[] = [];
    const pages = [
      'README.md',
      'CONTRIBUTING.md',
      'SECURITY.md',
      ...(existsSync(join(root, 'docs'))
        ? readdirSync(join(root, 'docs'))
            .filter((n) => n.endsWith('.md'))
            .map((n) => `docs/${n}`)
        : []),
    ];
    for (const page of pages.filter((p) => existsSync(join(root, p))))
      for (const m of readFileSync(join(root, page), 'utf8').matchAll(/\]\((?!https?:|#|mailto:)([^)#]+)/g))
        if (!existsSync(join(root, dirname(page), m[1]!))) broken.push(`${page}: ${m[1]}`);
    expect(broken).toEqual([]);
  });

  it('no committed file names a path of this machine or a leftover marker', () => {
    const tracked = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
      .split('\n')
      .filter((f) => /\.(ts|tsx|js|json|md|yaml|css|html)$/.test(f) && f !== 'package-lock.json');
    const marks = new RegExp(['TO', 'DO\\b|FIX', 'ME\\b|\\bX', 'XX\\b'].join(''));
    const wrong: string[] = [];
    for (const f of tracked) {
      if (!existsSync(join(root, f))) continue;
      const text = readFileSync(join(root, f), 'utf8');
      if (text.includes(`${dirname(root)}/`)) wrong.push(`${f}: names ${dirname(root)}/`);
      if (marks.test(text) && !f.startsWith('test/house')) wrong.push(`${f}: leftover marker`);
    }
    expect(wrong).toEqual([]);
  });
});
