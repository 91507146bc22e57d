#!/usr/bin/env node
// Plain JavaScript on purpose: it must run under whatever Node the caller has, find Node 26 and hand over to it.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const home = join(dirname(fileURLToPath(import.meta.url)), '..');
const main = join(home, 'src', 'cli', 'main.ts');
const major = Number(process.versions.node.split('.')[0]);

if (major >= 26) {
  await import(main);
} else {
  const node = findNode();
  if (node === undefined) {
    console.error(
      `parapet needs Node 26 or newer; this is ${process.version}, and the packaged one is not installed for ${process.platform}-${process.arch}. Run "npm ci" in ${home}, or install Node 26.`,
    );
    process.exit(70);
  }
  const child = spawn(node, [...process.execArgv, main, ...process.argv.slice(2)], {
    // The fourth is how the other one hears that this one was killed: it ends then, and its family with it.
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    if (signal !== null) process.kill(process.pid, signal === 'SIGKILL' ? 'SIGKILL' : 'SIGTERM');
    process.exit(code ?? 70);
  });
}

function findNode() {
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  for (const path of [join(home, 'node_modules', name, 'bin', 'node')]) if (existsSync(path)) return path;
  try {
    const found = join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'bin', 'node');
    return existsSync(found) ? found : undefined;
  } catch {
    return undefined;
  }
}
