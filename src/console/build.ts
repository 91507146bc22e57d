// The page is built from page/ by Vite, once, and again when a source of it has changed. Where Vite is not installed
// (a production install) the page that came with the package is served as it is.
import { createHash, type Hash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const page = join(import.meta.dirname, 'page');
export const PAGE_DIST = join(page, 'dist');

export interface PageBuild {
  readonly dir: string;
  /** Whether a build ran just now. */
  readonly built: boolean;
  /** The page is older than its sources and could not be rebuilt: why, in words; otherwise ''. */
  readonly stale: string;
}

/** Digest over everything the page is made from; vite.config.ts writes it beside the built page. */
export function pageSources(): string {
  const hash = createHash('sha256');
  addFolder(hash, join(page, 'src'));
  for (const file of ['index.html', 'vite.config.ts']) hash.update(readFileSync(join(page, file)));
  hash.update(readFileSync(join(import.meta.dirname, 'source.ts')));
  return hash.digest('hex');
}

function addFolder(hash: Hash, dir: string): void {
  for (const entry of readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) addFolder(hash, path);
    else hash.update(`${entry.name}\u0000`).update(readFileSync(path));
  }
}

/** @throws Error where there is no page and none can be built. */
export async function ensurePage(): Promise<PageBuild> {
  const stamp = join(PAGE_DIST, 'sources.txt');
  const present = existsSync(join(PAGE_DIST, 'index.html'));
  if (present && existsSync(stamp) && readFileSync(stamp, 'utf8') === pageSources())
    return { dir: PAGE_DIST, built: false, stale: '' };
  // Built aside and moved into place whole, so that two starts at once never serve a half-written page.
  const aside = join(page, `dist-${process.pid}`);
  try {
    const { build } = await import('vite');
    await build({ configFile: join(page, 'vite.config.ts'), logLevel: 'error', build: { outDir: aside } });
    rmSync(PAGE_DIST, { recursive: true, force: true });
    renameSync(aside, PAGE_DIST);
    return { dir: PAGE_DIST, built: true, stale: '' };
  } catch (error) {
    if (existsSync(join(PAGE_DIST, 'index.html')))
      return { dir: PAGE_DIST, built: false, stale: `The page could not be rebuilt: ${(error as Error).message}` };
    throw new Error(
      `The console's page is not built and could not be: ${(error as Error).message}. Run "npm ci" and "npm run build:page".`,
      { cause: error },
    );
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}
