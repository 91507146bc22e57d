// npm run docs: writes docs/faults.md and docs/detectors.md from the tables and cards, so that they are true.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decoders, detectors, faultTable, sources } from '../src/pipeline/index.ts';

const docs = join(import.meta.dirname, '..', 'docs');

const faults = Object.entries(faultTable()).sort(([a], [b]) => (a < b ? -1 : 1));
writeFileSync(
  join(docs, 'faults.md'),
  `# Faults\n\nWhat could not be read as it should, by code. Made by \`npm run docs\` from the tables in the code. The rest of the input is read all the same.\n\n| code | what was seen | what is lost | what to do |\n| --- | --- | --- | --- |\n${faults.map(([code, f]) => `| ${code} | ${f.text} | ${f.lost} | ${f.remedy} |`).join('\n')}\n`,
);

const cards = detectors.map(
  ({ card }) => `## ${card.name}

${card.behaviour} Plane ${card.plane}, takes ${card.takes.join(', ')}, scope ${card.scope}, memory: ${card.memoryBound}. ATT&CK: ${card.techniques.join(', ') || 'none'}.

- Can't see: ${card.cannotSee.join(' ')}
- Innocent causes: ${card.innocentCauses.join(' ')}
- First steps: ${card.firstSteps.join(' ')}
`,
);
writeFileSync(
  join(docs, 'detectors.md'),
  `# Detectors, decoders and sources\n\nMade by \`npm run docs\` from the cards.\n\n${cards.join('\n')}
## Decoders

| decoder | takes | gives | recognised by | limits |
| --- | --- | --- | --- | --- |
${decoders.map(({ card: c }) => `| ${c.name} | ${c.takes.join(', ')} | ${c.gives.join(', ')} | ${c.recognisedBy} | ${c.limits} |`).join('\n')}

## Sources

| source | reads |
| --- | --- |
${sources.map(({ card: c }) => `| ${c.name} | ${c.reads} |`).join('\n')}
`,
);
console.log('docs/faults.md and docs/detectors.md are written.');
