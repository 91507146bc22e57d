// parapet audit verify FILE
import { statSync } from 'node:fs';
import { isoTime, toJsonLine } from '#findings';
import { type AuditProof, verify } from '#gateway/audit';
import { ExitCode, options, painter, printable, UsageError, write } from './options.ts';

export const auditHelp = `parapet audit verify FILE [--head NUMBER:HASH] [--format text|ndjson]

Proves that no entry of the gateway's audit was changed, moved or taken out, or names the first place where one was.
A chain can't show that its end was cut off: note the head that this prints, and give it back later with --head.
Exit status 0 where the chain holds, 1 where it is broken, 3 where it only ends inside an entry (a crash).

Example:
  parapet audit verify data/audit.ndjson --head 812:4be1...`;

export async function audit(args: string[]): Promise<number> {
  const o = options(args, { head: { type: 'string' } }, ['text', 'ndjson']);
  if (o.help) {
    console.log(auditHelp);
    return ExitCode.Done;
  }
  const [verb, path, ...more] = o.positionals;
  if (verb !== 'verify' || path === undefined || more.length > 0)
    throw new UsageError('audit takes "verify" and one file. See parapet audit --help.');
  let proof: AuditProof;
  try {
    statSync(path);
    proof = verify(path, undefined, knownHead(o.values.head as string | undefined));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${path} could not be read: ${(error as Error).message}.`);
  }
  const { fault } = proof;
  if (o.format === 'ndjson') {
    await write(
      `${toJsonLine({
        kind: 'audit',
        file: path,
        ok: fault === undefined,
        entries: proof.entries,
        head: proof.head,
        lastAt: proof.lastAt,
        clockSteps: proof.clockSteps,
        torn: proof.torn,
        ...(fault === undefined ? {} : { line: fault.line, offset: fault.offset, text: fault.text }),
      })}\n`,
    );
  } else {
    const paint = painter(o.values);
    if (fault === undefined)
      await write(
        `${paint('good', 'The chain holds')}: ${proof.entries} entries, the last of ${isoTime(proof.lastAt)}.\nHead ${proof.entries}:${proof.head}\n`,
      );
    else
      await write(
        `${paint(proof.torn ? 'warn' : 'bad', proof.torn ? 'The end is torn' : 'The chain is broken')} at line ${fault.line}, byte ${fault.offset}: ${printable(fault.text)}.\n${proof.entries} entries before it hold. Head ${proof.entries}:${proof.head}\n`,
      );
    if (proof.clockSteps > 0)
      await write(`The clock went back ${proof.clockSteps} times; see the entries of type clock.\n`);
  }
  if (fault === undefined) return ExitCode.Done;
  return proof.torn ? ExitCode.PartUnread : ExitCode.FoundSomething;
}

function knownHead(text: string | undefined): { seq: number; hash: string } | undefined {
  if (text === undefined) return undefined;
  const match = /^([0-9]{1,15}):([0-9a-f]{64})$/.exec(text);
  if (match === null) throw new UsageError('--head takes NUMBER:HASH as printed by audit verify.');
  return { seq: Number(match[1]), hash: match[2]! };
}
