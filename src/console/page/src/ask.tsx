// The question before an answer counts: what exactly happens, who says so, and, where asked for, a word typed out.
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import type { WireDecision } from './wire.ts';

export function AskDialog(props: {
  title: string;
  /** What will happen, in full. */
  children: ComponentChildren;
  /** Word of the button that does it. */
  button: string;
  /** To be typed before it counts; '' asks for a name alone. */
  confirm: string;
  people: readonly string[];
  send: (person: string) => Promise<WireDecision>;
  close: (text: string) => void;
}) {
  const { title, children, button, confirm, people, send, close } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  const [person, setPerson] = useState('');
  const [typed, setTyped] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const id = useId();

  useEffect(() => {
    // showModal keeps the focus inside, closes on Escape and gives the focus back to the button that opened it.
    const element = dialog.current!;
    element.showModal();
    element.querySelector<HTMLInputElement>('input')?.focus();
    return () => element.close();
  }, []);

  function leave(text: string): void {
    // Closed while it still stands in the page: only then does the focus go back to the button that opened it.
    dialog.current?.close();
    close(text);
  }

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    if (busy) return;
    if (person.trim() === '') return setError('Say who you are.');
    if (confirm !== '' && typed.trim() !== confirm) return setError(`Type ${confirm} to confirm.`);
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
      aria-describedby={`${id}-what`}
      onCancel={(e) => {
        e.preventDefault();
        leave('');
      }}
    >
      <form onSubmit={(e) => void submit(e)} noValidate>
        <h2 id={`${id}-title`}>{title}</h2>
        <div id={`${id}-what`} class="what-happens">
          {children}
        </div>
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
        {confirm !== '' && (
          <>
            <label for={`${id}-typed`}>
              To confirm, type <code>{confirm}</code>
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
            {busy ? 'Working…' : button}
          </button>
        </div>
      </form>
    </dialog>
  );
}
