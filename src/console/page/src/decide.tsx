// The question before an answer counts. Releasing asks for the target's name, typed: it is never one key away.
import { useEffect, useId, useRef, useState } from 'preact/hooks';
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
  const dialog = useRef<HTMLDialogElement>(null);
  const [person, setPerson] = useState('');
  const [typed, setTyped] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const id = useId();
  const { target } = hold.command;

  useEffect(() => {
    // showModal keeps the focus inside, closes on Escape and gives the focus back to the button that opened it.
    const element = dialog.current!;
    element.showModal();
    return () => element.close();
  }, []);

  function leave(text: string): void {
    // Closed while it still stands in the page: only then does the focus go back to the button that opened it.
    dialog.current?.close();
    close(text);
  }

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    if (person.trim() === '') return setError('Say who you are.');
    if (answer === 'release' && typed.trim() !== target) return setError(`Type ${target} to confirm.`);
    setBusy(true);
    const decision = await send(person.trim());
    setBusy(false);
    if (decision.accepted) leave(decision.text);
    else setError(decision.text);
  }

  return (
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby={`${id}-title`}
      onCancel={(e) => {
        e.preventDefault();
        leave('');
      }}
    >
      <form onSubmit={(e) => void submit(e)} noValidate>
        <h2 id={`${id}-title`}>
          {answer === 'release' ? 'Release' : 'Refuse'}: {sayCommand(hold.command)}
        </h2>
        <p>
          {answer === 'release'
            ? `The command runs once ${hold.needed} different people have released it. Whoever asked for it can't be one of them.`
            : 'The command will not run. One person is enough; whoever asked for it can ask again.'}
        </p>
        <label for={`${id}-person`}>Your name</label>
        <input
          id={`${id}-person`}
          name="person"
          list={`${id}-people`}
          autoComplete="off"
          maxLength={64}
          value={person}
          onInput={(e) => setPerson(e.currentTarget.value)}
        />
        <datalist id={`${id}-people`}>
          {people.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        {answer === 'release' && (
          <>
            <label for={`${id}-typed`}>
              To confirm, type <code>{target}</code>
            </label>
            <input
              id={`${id}-typed`}
              name="confirm"
              autoComplete="off"
              spellcheck={false}
              value={typed}
              onInput={(e) => setTyped(e.currentTarget.value)}
            />
          </>
        )}
        <p class="error" role="alert">
          {error}
        </p>
        <div class="buttons">
          <button type="button" class="button button-plain" onClick={() => leave('')}>
            Go back
          </button>
          <button type="submit" class="button" disabled={busy}>
            {answer === 'release' ? 'Release' : 'Refuse'}
          </button>
        </div>
      </form>
    </dialog>
  );
}
