// npm run new detector|decoder|source|enforcer NAME: lays a folder that passes the house test by copying a living example
// and cutting it down, and adds its line to the registry.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const [what, name] = process.argv.slice(2);
const kinds = ['detector', 'decoder', 'source', 'enforcer'];

if (what === undefined || name === undefined || !kinds.includes(what) || !/^[a-z][a-z0-9-]*$/.test(name)) {
  console.error(
    `usage: npm run new ${kinds.join('|')} NAME   (NAME in lower case, digits and dashes, e.g. tftp or slow-scan)`,
  );
  process.exit(2);
}

const camel = name.replace(/-([a-z0-9])/g, (_, c: string) => c.toUpperCase());
const pascal = camel[0]!.toUpperCase() + camel.slice(1);
const room = what === 'enforcer' ? 'response' : `${what}s`;
const dir = join(root, 'src', room, name);
if (existsSync(dir)) {
  console.error(`src/${room}/${name} is there already.`);
  process.exit(1);
}

const files: Record<string, Record<string, string>> = {
  detector: {
    'index.ts': `export { ${camel} } from './${name}.ts';\n`,
    [`${name}.ts`]: `// What ${name} looks for, in one sentence, and where the idea comes from.
import type { EventBatch } from '#events';
import type { Detector, DetectorCard, DetectorContext, DetectorKind } from '../contract.ts';

const card: DetectorCard = {
  name: '${name}',
  plane: 'flow',
  family: '${name}',
  behaviour: 'Describe the behaviour that gives it away, in one sentence.',
  takes: ['flow'],
  scope: 'client',
  techniques: [],
  cannotSee: ['Say what stays hidden from it.'],
  innocentCauses: ['Say what honest thing looks the same.'],
  firstSteps: ['Say what the analyst does first.'],
  memoryBound: 'no state',
};

class ${pascal} implements Detector {
  readonly shed = 0;
  readonly context: DetectorContext;

  constructor(context: DetectorContext) {
    this.context = context;
  }

  observe(_batch: EventBatch): void {}

  advance(_to: number): void {}

  snapshot(): unknown {
    return { version: 1 };
  }

  restore(state: unknown): void {
    if ((state as { version: number }).version !== 1) throw new Error('${name}: the version of the saved state is not known');
  }
}

export const ${camel}: DetectorKind = { card, create: (context) => new ${pascal}(context) };
`,
    [`${name}.test.ts`]: `import { describe, expect, it } from 'vitest';
import { defaultCity } from '#city';
import { ${camel} } from './${name}.ts';

describe('${name}', () => {
  it('resumes from its own snapshot', () => {
    const detector = ${camel}.create({ city: defaultCity(), evidenceAll: false, claim: () => {}, cover: () => {} });
    detector.restore(detector.snapshot());
    expect(detector.shed).toBe(0);
  });
});
`,
    'README.md': `# ${name}\nWhat it looks for, what it can't see, which innocent things look the same, and what its numbers rest on.\n`,
    'calibration.json': `{ "provenance": "not calibrated yet", "priorBits": -12 }\n`,
  },
  decoder: {
    'index.ts': `export { ${camel} } from './${name}.ts';\n`,
    [`${name}.ts`]: `// What ${name} is, which sections of which specification are read, what is left out and why.
import { type Decoder, type EventBatch, PacketBatch, type Sink } from '#events';
import type { DecoderKind } from '../contract.ts';
import { faults } from './faults.ts';

export const ${camel}: DecoderKind = {
  card: { name: '${name}', takes: ['packet'], gives: [], recognisedBy: 'say how: a port as a hint, a probe as the proof', limits: 'no state', faults },
  create: () => new ${pascal}Decoder(),
};

class ${pascal}Decoder implements Decoder {
  readonly card = ${camel}.card;
  readonly shed = 0;

  decode(batch: EventBatch, _sink: Sink): void {
    if (!(batch instanceof PacketBatch)) return;
  }

  advance(): void {}

  end(): void {}
}
`,
    'faults.ts': `import type { FaultTable } from '#events';

export const faults: FaultTable = {};
`,
    [`${name}.test.ts`]: `import { describe, expect, it } from 'vitest';
import { PacketBatch } from '#events';
import { ${camel} } from './${name}.ts';

describe('${name}', () => {
  it('an empty batch gives nothing', () => {
    const emitted: unknown[] = [];
    ${camel}.create().decode(new PacketBatch(), { emit: (b) => void emitted.push(b), fault: () => {} });
    expect(emitted).toEqual([]);
  });
});
`,
    'README.md': `# ${name}\nWhat is understood, what is refused, what is ignored.\n`,
  },
  source: {
    'index.ts': `export { ${camel} } from './${name}.ts';\n`,
    [`${name}.ts`]: `// What ${name} is and where its format is written down.
import type { Sink } from '#events';
import type { ByteReader, Source, SourceKind } from '../contract.ts';

export const ${camel}: SourceKind = {
  card: { name: '${name}', reads: 'say what it reads', faults: {} },
  probe: () => false,
  open: (reader) => new ${pascal}Source(reader),
};

class ${pascal}Source implements Source {
  readonly #reader: ByteReader;

  constructor(reader: ByteReader) {
    this.#reader = reader;
  }

  get progress(): { read: number; size: number } {
    return this.#reader.progress;
  }

  async peekAt(): Promise<number> {
    return Number.POSITIVE_INFINITY;
  }

  async pull(_until: number, _sink: Sink): Promise<boolean> {
    return false;
  }

  close(): void {
    this.#reader.close();
  }
}
`,
    [`${name}.test.ts`]: `import { describe, expect, it } from 'vitest';
import { ${camel} } from './${name}.ts';

describe('${name}', () => {
  it('does not claim bytes that are not its own', () => {
    expect(${camel}.probe(new Uint8Array(16), 'x')).toBe(false);
  });
});
`,
    'README.md': `# ${name}\nWhat is understood, what is refused, what is ignored.\n`,
  },
  enforcer: {
    'index.ts': `export { propose${pascal} } from './propose.ts';\n`,
    'propose.ts': `// From findings to the wanted state of ${name}, purely: enforcing twice is harmless.
import type { Finding, ResponseRecord } from '#findings';

export function propose${pascal}(findings: readonly Finding[]): ResponseRecord[] {
  return findings.flatMap((f) => f.response.filter((r) => r.type === 'policy'));
}
`,
    'propose.test.ts': `import { describe, expect, it } from 'vitest';
import { propose${pascal} } from './propose.ts';

describe('${name}', () => {
  it('proposes nothing where nothing was found', () => {
    expect(propose${pascal}([])).toEqual([]);
  });
});
`,
    'README.md': `# ${name}\nWhat it installs, how that is proved, how it is undone.\n`,
  },
};

mkdirSync(dir, { recursive: true });
for (const [file, text] of Object.entries(files[what]!)) writeFileSync(join(dir, file), text);

if (what !== 'enforcer') {
  const path = join(root, 'src', 'pipeline', 'registry.ts');
  let text = readFileSync(path, 'utf8');
  text = text.replace(/(import [^\n]+ from '#[^']+';\n)(?!import)/, `$1import { ${camel} } from '#${room}/${name}';\n`);
  const list = new RegExp(`(export const ${room}: readonly \\w+\\[\\] = \\[)([^\\]]*)\\]`);
  text = text.replace(
    list,
    (_, head: string, items: string) =>
      `${head}${items.trim() === '' ? '' : `${items.trimEnd().replace(/,$/, '')}, `}${camel}]`,
  );
  writeFileSync(path, text);
}
console.log(`src/${room}/${name} is made. Next: its card, its vectors, its page; then npm run check.`);
