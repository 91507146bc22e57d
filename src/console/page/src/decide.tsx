// Releasing a held command asks for the target's name, typed: it is never one key away.
import { AskDialog } from './ask.tsx';
import type { WireDecision, WireHold } from './wire.ts';
import { sayCommand } from './words.ts';

export function DecideDialog(props: {
  hold: WireHold;
  answer: 'release' | 'refuse';
  people: readonly string[];
  send: (person: string) => Promise<WireDecision>;
  close: (text: string) => void;
}) {
  const { hold, answer, people, send, close } = props;
  const word = answer === 'release' ? 'Release' : 'Refuse';
  return (
    <AskDialog
      title={`${word}: ${sayCommand(hold.command)}`}
      button={word}
      confirm={answer === 'release' ? hold.command.target : ''}
      people={people}
      send={send}
      close={close}
    >
      <p>
        {answer === 'release'
          ? `The command runs once ${hold.needed} different people have released it. Whoever asked for it can't be one of them.`
          : 'The command will not run. One person is enough; whoever asked for it can ask again.'}
      </p>
    </AskDialog>
  );
}
