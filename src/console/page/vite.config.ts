// Builds the console's page. `npm run build:page`, or by itself when the console starts (../build.ts).
import { defineConfig } from 'vite';
import { pageSources } from '../build.ts';

export default defineConfig({
  root: import.meta.dirname,
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2023',
    // The polyfill and inlined assets would need a laxer content security policy.
    modulePreload: false,
    assetsInlineLimit: 0,
  },
  plugins: [
    {
      name: 'sources-stamp',
      generateBundle() {
        this.emitFile({ type: 'asset', fileName: 'sources.txt', source: pageSources() });
      },
    },
  ],
});
