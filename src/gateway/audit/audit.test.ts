import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type AuditSink, openAudit, verify } from './index.ts';

const dir = mkdtempSync(join(tmpdir(), 'audit-'));
afterAll(() => rmSync(dir, { recursive: true }));
const at = 1_760_000_000_000_000;
let made = 0;
async function filled(n: number): Promise<string> {
  const path = join(dir, `a${made++}.ndjson`);
  const { log } = await openAudit(path, at);
  await Promise.all(Array.from({ length: n }, (_, i) => log.append('verdict', { i, text: 'é "quoted"' }, at + i)));
  await log.close();
  return path;
}

describe('the audit chain', () => {
  it('is proved whole, and continues where it ended', async () => {
    const path = await filled(50);
    const first = verify(path);
    expect(first).toMatchObject({ entries: 51, fault: undefined });
    const { log } = await openAudit(path, at + 100);
    expect(log.head).toEqual({ seq: 52, hash: verify(path).head });
    await log.close();
    expect(verify(path, undefined, { seq: 51, hash: first.head }).fault).toBeUndefined();
  });

  it('names the first entry that was changed, taken out, moved or added', async () => {
    const path = await filled(20);
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    const broken = (change: (l: string[]) => string[]): number => {
      const other = join(dir, 'other.ndjson');
      writeFileSync(other, `${change([...lines]).join('\n')}\n`);
      const { fault } = verify(other);
      expect(fault!.offset).toBe(
        Buffer.byteLength(
          lines
            .slice(0, fault!.line - 1)
            .map((l) => `${l}\n`)
            .join(''),
        ),
      );
      return fault!.line;
    };
    expect(broken((l) => l.with(7, l[7]!.replace('"i":6', '"i":7')))).toBe(8);
    expect(broken((l) => l.toSpliced(4, 1))).toBe(5);
    expect(broken((l) => l.toSpliced(4, 2, l[5]!, l[4]!))).toBe(5);
    expect(broken((l) => l.toSpliced(10, 0, l[9]!))).toBe(11);
    expect(broken((l) => l.with(3, l[3]!.replace('","', '", "')))).toBe(4);
  });

  it('shows that its end was cut off to whoever noted the head', async () => {
    const path = await filled(10);
    const head = verify(path);
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    writeFileSync(path, `${lines.slice(0, 5).join('\n')}\n`);
    expect(verify(path).fault).toBeUndefined();
    expect(verify(path, undefined, { seq: head.entries, hash: head.head }).fault?.text).toContain('cut off');
  });

  it('cuts a torn end off, keeps its bytes in an entry, and goes on', async () => {
    const path = await filled(5);
    appendFileSync(path, '{"seq":7,"at":"20');
    expect(verify(path)).toMatchObject({ torn: true, entries: 6 });
    const { log, notes } = await openAudit(path, at + 50);
    await log.close();
    expect(notes.join()).toContain('torn');
    const types: string[] = [];
    expect(verify(path, (e) => types.push(e.type)).fault).toBeUndefined();
    expect(types.slice(-2)).toEqual(['repair', 'begin']);
  });

  it('survives kill -9 while it writes: a whole chain or a torn end, and every acknowledged entry is there', async () => {
    const path = join(dir, 'killed.ndjson');
    const script = `
      const { openAudit } = await import('#gateway/audit');
      const { log } = await openAudit(${JSON.stringify(path)}, ${at});
      for (let i = 0; ; i++) { await log.append('x', { i, pad: 'p'.repeat(3000) }, ${at} + i); console.log(i); }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.on('data', (d) => (out += d));
    while (out.split('\n').length < 20 && child.exitCode === null) await new Promise((r) => setTimeout(r, 20));
    if (child.exitCode === null) {
      const gone = new Promise((r) => child.once('exit', r));
      child.kill('SIGKILL');
      await gone;
    }
    const acknowledged = Number(
      out
        .split('\n')
        .filter((l) => l !== '')
        .at(-1),
    );
    const proof = verify(path);
    expect(proof.fault === undefined || proof.torn).toBe(true);
    expect(proof.entries).toBeGreaterThanOrEqual(acknowledged + 2);
    const { log } = await openAudit(path, at);
    await log.close();
    expect(verify(path).fault).toBeUndefined();
  });

  it('never continues a broken chain, and says so to every entry', async () => {
    const path = await filled(5);
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replace('"i":2', '"i":3'));
    const { log, notes } = await openAudit(path, at);
    expect(notes[0]).toContain('broken at line 4');
    await expect(log.append('x', {}, at)).rejects.toThrow('broken at line 4');
    expect(readFileSync(path, 'utf8')).toContain('"i":3');
  });

  it('notices a clock that goes back', async () => {
    const path = join(dir, 'clock.ndjson');
    const { log } = await openAudit(path, at);
    await log.append('x', {}, at + 5e6);
    await log.append('x', {}, at + 1e6);
    await log.close();
    expect(verify(path)).toMatchObject({ clockSteps: 1, fault: undefined });
    expect(readFileSync(path, 'utf8')).toContain('"backMicros":4000000');
  });

  it.skipIf(!existsSync('/dev/full'))('says no on a full disk', async () => {
    const { log, notes } = await openAudit('/dev/full', at);
    expect(notes.join()).toContain('ENOSPC');
    await expect(log.append('x', {}, at)).rejects.toThrow('ENOSPC');
    expect(log.fault).toContain('ENOSPC');
    await log.close();
  });

  it('has a whole chain after writes that failed halfway, and recovers with the disk', async () => {
    let bytes = Buffer.alloc(0);
    let failing = false;
    const sink: AuditSink = {
      write: async (b, position) => {
        const part = failing ? b.subarray(0, 40) : b;
        bytes = Buffer.concat([bytes.subarray(0, position), part]);
        if (failing) throw new Error('ENOSPC');
      },
      sync: async () => {},
      truncate: async (n) => void (bytes = bytes.subarray(0, n)),
      close: async () => {},
    };
    const { log } = await openAudit('unused', at, undefined, sink);
    await log.append('x', { n: 1 }, at);
    failing = true;
    await expect(log.append('x', { n: 2 }, at)).rejects.toThrow('ENOSPC');
    failing = false;
    await log.append('x', { n: 3 }, at);
    expect(log.fault).toBe('');
    const path = join(dir, 'sink.ndjson');
    writeFileSync(path, bytes);
    expect(verify(path)).toMatchObject({ entries: 3, fault: undefined });
  });
});
