// Who may reach whom, against what np-guard's netpol-analyzer derives: every case of the corpus, line by line.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { listing, OBJECTS_MAX, Ports, parseRange, rangeBlocks, reach, WORKLOADS_MAX } from './index.ts';
import { everywhere, split } from './ranges.ts';

const root = process.env.PARAPET_CORPUS ?? join(import.meta.dirname, '../../../../shared/corpus');
const cases = join(root, 'flow/segmentation/netpol');
const expected = join(root, 'flow/expect/netpol');
const isThere = existsSync(cases);
if (!isThere) console.warn('zones/k8s: the corpus is absent (PARAPET_CORPUS), so no case of np-guard is compared');

function filesOf(name: string): { file: string; text: string }[] {
  return readdirSync(join(cases, name), { recursive: true, encoding: 'utf8' })
    .filter((f) => /\.(ya?ml|json)$/.test(f))
    .sort()
    .map((file) => ({ file, text: readFileSync(join(cases, name, file), 'utf8') }));
}
/** The peer leaves out the last line's end here and there. */
const trimmed = (text: string): string[] =>
  text
    .trimEnd()
    .split('\n')
    .map((l) => l.trimEnd());

/**
 * Five cases came into the corpus without their pod lists (the peer keeps those as JSON). Their pods follow from the peer's
 * answer: names and owners stand there, and the label is in the name (cog-agents-2 is app-2, -bank-ui is bank-ui-selector).
 */
function podsOf(answer: string): { file: string; text: string } {
  const peers = new Set([...answer.matchAll(/([a-z0-9-]+)\/([a-z0-9-]+)\[(DaemonSet|ReplicaSet)\]/g)].map((m) => m[0]));
  const items = [...peers].map((peer) => {
    const [, namespace, name, kind] = /^(.*)\/(.*)\[(.*)\]$/.exec(peer)!;
    const tail = name!.replace('cog-agents-', '');
    const app = /^\d$/.test(tail) ? `app-${tail}` : `${tail}-selector`;
    const metadata = { name: `pod-of-${name}`, namespace, labels: { app }, ownerReferences: [{ kind, name }] };
    return { apiVersion: 'v1', kind: 'Pod', metadata };
  });
  return { file: 'pods.json', text: JSON.stringify({ kind: 'PodList', items }) };
}

describe.skipIf(!isThere)('np-guard derives the same', () => {
  const names = isThere ? readdirSync(cases).sort() : [];
  it('all 90 cases are here', () => expect(names.length).toBe(90));
  it.each(names)('%s', (name) => {
    const wanted = readFileSync(join(expected, `${name}.txt`), 'utf8');
    const files = [...filesOf(name), ...(name.startsWith('semanticDiff-') ? [podsOf(wanted)] : [])];
    expect(trimmed(listing(reach(files)))).toEqual(trimmed(wanted));
  });
});

const pod = (name: string, labels: object = {}, namespace = 'default'): object => ({
  kind: 'Pod',
  metadata: { name, namespace, labels },
  spec: { containers: [{ ports: [{ name: 'web', containerPort: 8080 }] }] },
});
const told = (...objects: object[]): string[] =>
  trimmed(listing(reach([{ file: 'a.json', text: JSON.stringify({ kind: 'List', items: objects }) }])));
const netpol = (name: string, spec: object): object => ({ kind: 'NetworkPolicy', metadata: { name }, spec });

describe('what a policy means', () => {
  it('an absent list of peers is everyone, an empty selector the own namespace, an empty list of rules nobody', () => {
    const a = pod('a', { app: 'a' });
    const other = pod('z', {}, 'elsewhere');
    const to = (ingress: object[]): string[] =>
      told(a, pod('b'), other, netpol('p', { podSelector: { matchLabels: { app: 'a' } }, ingress })).filter((l) =>
        l.includes('=> default/a[Pod]'),
      );
    expect(to([{}]).map((l) => l.split(' ')[0])).toEqual([
      '0.0.0.0-255.255.255.255[External]',
      'default/b[Pod]',
      'elsewhere/z[Pod]',
    ]);
    expect(to([{ from: [{ podSelector: {} }] }]).map((l) => l.split(' ')[0])).toEqual(['default/b[Pod]']);
    expect(to([])).toEqual([]);
  });

  it('a port without a protocol is TCP, endPort makes a span, a name is looked up where it leads', () => {
    const ports = (list: object[]): string =>
      told(
        pod('a', { app: 'a' }),
        pod('b'),
        netpol('p', {
          podSelector: { matchLabels: { app: 'a' } },
          ingress: [{ from: [{ podSelector: {} }], ports: list }],
        }),
      )
        .filter((l) => l.startsWith('default/b[Pod] => default/a'))
        .map((l) => l.split(' : ')[1]!)
        .join();
    expect(ports([{ port: 53 }])).toBe('TCP 53');
    expect(ports([{ port: 8000, endPort: 8010 }, { protocol: 'UDP' }])).toBe('TCP 8000-8010,UDP 1-65535');
    expect(ports([{ port: 'web' }])).toBe('TCP 8080');
    expect(ports([{ port: 'nothing' }, { port: 70_000 }])).toBe('');
  });

  it('addresses outside are cut at each edge, exceptions too, and IPv6 is told apart', () => {
    const answer = reach([
      {
        file: 'a.json',
        text: JSON.stringify({
          kind: 'List',
          items: [
            pod('a'),
            netpol('p', {
              podSelector: {},
              policyTypes: ['Egress'],
              egress: [
                {
                  to: [
                    { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } },
                    { ipBlock: { cidr: '2001:db8::/32' } },
                  ],
                },
              ],
            }),
          ],
        }),
      },
    ]);
    expect(answer.networks[0]!.connections.filter((c) => c.from.startsWith('default')).map((c) => c.to)).toEqual([
      '10.0.0.0-10.0.255.255[External]',
      '10.2.0.0-10.255.255.255[External]',
      '2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff[External]',
    ]);
  });

  it('pods of one owner that policies tell apart are told as a fault', () => {
    const owned = (name: string, app: string): object => ({
      kind: 'Pod',
      metadata: { name, labels: { app }, ownerReferences: [{ kind: 'ReplicaSet', name: 'both' }] },
    });
    const answer = reach([
      {
        file: 'a.json',
        text: JSON.stringify({
          kind: 'List',
          items: [
            owned('x', 'a'),
            owned('y', 'b'),
            pod('c'),
            netpol('p', { podSelector: { matchLabels: { app: 'a' } } }),
          ],
        }),
      },
    ]);
    expect(answer.faults.map((f) => f.code)).toContain('K8S_MIXED_OWNER');
  });
});

describe('sets of ports and addresses', () => {
  const spans = fc.array(fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 9 })), { maxLength: 4 });
  const ports = fc
    .tuple(spans, spans)
    .map(([t, u]) =>
      [...t.map(([a, n]) => Ports.of('TCP', a, a + n)), ...u.map(([a, n]) => Ports.of('UDP', a, a + n))].reduce(
        (x, y) => x.union(y),
        Ports.none,
      ),
    );
  it('behave as sets do', () => {
    fc.assert(
      fc.property(ports, ports, (a, b) => {
        for (const p of ['TCP', 'UDP', 'SCTP'] as const)
          for (let n = 1; n < 75; n++) {
            expect(a.union(b).has(p, n)).toBe(a.has(p, n) || b.has(p, n));
            expect(a.intersect(b).has(p, n)).toBe(a.has(p, n) && b.has(p, n));
            expect(a.subtract(b).has(p, n)).toBe(a.has(p, n) && !b.has(p, n));
          }
        expect(a.subtract(b).union(a.intersect(b)).equals(a)).toBe(true);
      }),
      { seed: 1, numRuns: 60 },
    );
  });
  it('the whole space is cut without gap or overlap, and a range is exactly its blocks', () => {
    const cidr = fc
      .tuple(fc.nat({ max: 0xffffffff }), fc.integer({ min: 0, max: 32 }))
      .map(([a, n]) => parseRange(`${a >>> 24}.${(a >>> 16) & 255}.${(a >>> 8) & 255}.${a & 255}/${n}`)!);
    fc.assert(
      fc.property(fc.array(cidr, { maxLength: 6 }), (blocks) => {
        const parts = split(4, blocks);
        let next = 0n;
        for (const p of parts) {
          expect(p.first).toBe(next);
          next = p.last + 1n;
          const own = rangeBlocks(p).map((b) => parseRange(b)!);
          expect(own[0]!.first).toBe(p.first);
          expect(own.at(-1)!.last).toBe(p.last);
          for (const [i, b] of own.entries()) if (i > 0) expect(b.first).toBe(own[i - 1]!.last + 1n);
        }
        expect(next).toBe(everywhere(4).last + 1n);
      }),
      { seed: 1, numRuns: 100 },
    );
  });
});

describe('files of strangers', () => {
  const seed = `kind: Pod\nmetadata: {name: a, labels: {app: a}}\n---\nkind: NetworkPolicy\nmetadata: {name: p}\nspec:\n  podSelector: {matchLabels: {app: a}}\n  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}], ports: [{port: 80, endPort: 90}]}]\n`;
  it('10,000 mutations throw nothing', () => {
    let state = 7;
    const next = (n: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % n;
    };
    const bits = [
      '{',
      '}',
      '[',
      ']',
      ':',
      '- ',
      '&a ',
      '*a',
      '"',
      "'",
      '\n',
      '\t',
      '!!int ',
      '99999999999',
      '~',
      '\u0000',
      '|',
      '?',
    ];
    for (let i = 0; i < 10_000; i++) {
      let text = seed;
      for (let k = next(3); k >= 0; k--) {
        const at = next(text.length);
        text =
          next(2) === 0
            ? text.slice(0, at) + bits[next(bits.length)]! + text.slice(at)
            : text.slice(0, at) + text.slice(at + 1 + next(8));
      }
      expect(Array.isArray(reach([{ file: 'f', text }]).networks)).toBe(true);
    }
  });
  it('aliases that multiply, deep nesting and broken documents are faults, and the rest is read', () => {
    const laughs = `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c]\n`;
    expect(reach([{ file: 'f', text: laughs }]).faults[0]!.code).toBe('K8S_YAML');
    expect(reach([{ file: 'f', text: '['.repeat(100_000) }]).faults[0]!.code).toBe('K8S_TOO_LARGE');
    const mixed = reach([{ file: 'f', text: `a: [\n---\n${seed}` }]);
    expect(mixed.faults.map((f) => f.code)).toContain('K8S_YAML');
  });
  it('objects and workloads have an end, and it is told', () => {
    const many = Array.from({ length: OBJECTS_MAX + 1 }, () => '{"kind":"X"}').join(',');
    expect(reach([{ file: 'f', text: `{"kind":"List","items":[${many}]}` }]).faults[0]!.code).toBe('K8S_TOO_LARGE');
    const pods = Array.from({ length: WORKLOADS_MAX + 1 }, (_, i) => pod(`p${i}`));
    const shut = netpol('p', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
    const answer = reach([{ file: 'f', text: JSON.stringify({ kind: 'List', items: [...pods, shut] }) }]);
    expect(answer.faults.map((f) => f.code)).toEqual(['K8S_TOO_LARGE']);
    expect(answer.networks[0]!.workloads.length).toBe(WORKLOADS_MAX);
  });
});
