// The verdict on a recorded command. A recording has no certificates, so identity and policy can't be asked again: the
// requester is taken as written, and only physics and data are judged. Live commands go through gateway/interlock.
import { createHash } from 'node:crypto';
import type { Command } from '#events';
import type { Verdict } from '#findings';
import type { TwinVerdict } from './hub.ts';

export function verdictId(command: Command): string {
  return createHash('sha256').update(`verdict\u0000${command.id}\u0000${command.at}`).digest('hex').slice(0, 16);
}

export function decideRecorded(command: Command, judge: () => TwinVerdict): Verdict {
  const answer = judge();
  return {
    kind: 'verdict',
    id: verdictId(command),
    at: command.at,
    command: command.id,
    decision: answer.decision,
    reasons: answer.reasons,
    leansOn: answer.leansOn,
    harm: answer.harm,
    decidedInMicros: 0,
    ...(answer.loadLostShare === undefined ? {} : { loadLostShare: answer.loadLostShare }),
  };
}
