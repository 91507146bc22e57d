// The verdict on a recorded command, by the gateway's own interlock. A recording has no certificates, so identity and policy
// can't be asked again: the requester is taken as written, and what remains is physics and data.
import { createHash } from 'node:crypto';
import type { Command } from '#events';
import type { Verdict } from '#findings';
import { judgeCommand } from '#gateway';
import type { TwinVerdict } from './hub.ts';

export function decideRecorded(command: Command, judge: () => TwinVerdict): Verdict {
  return judgeCommand({
    command,
    digest: createHash('sha256')
      .update(JSON.stringify([command.id, command.at, command.target, command.action, command.value ?? null]))
      .digest('hex'),
    identity: { id: command.requester, name: command.requester, revoked: false },
    topic: `cmd/${command.target}`,
    denied: '',
    declared: 'routine',
    retain: false,
    at: command.at,
    ageMicrosMax: Number.POSITIVE_INFINITY,
    skewMicrosMax: Number.POSITIVE_INFINITY,
    nonce: 'fresh',
    tooMany: '',
    auditWritable: true,
    brokerUp: true,
    twin: { kind: 'answer', verdict: judge() },
    decidedInMicros: 0,
  });
}
