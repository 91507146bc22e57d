// One question, in full: which records, in which resolvers, and for whom. What is read here is all that happens.
import { AskDialog } from './ask.tsx';
import type { PageState } from './live.ts';
import type { WireAction, WireDecision } from './wire.ts';
import { plural } from './words.ts';

export function RespondDialog(props: {
  state: PageState;
  action: WireAction;
  answer: 'enforce' | 'undo';
  send: (person: string) => Promise<WireDecision>;
  close: (text: string) => void;
}) {
  const { state, action, answer, send, close } = props;
  const enforce = answer === 'enforce';
  const count = action.records.length;
  const consumers = state.consumers.length > 0 ? state.consumers : [...new Set(action.proofs.map((p) => p.consumer))];
  return (
    <AskDialog
      title={`${enforce ? 'Enforce: refuse' : 'Undo: no longer refuse'} ${action.subject}`}
      button={enforce ? 'Enforce' : 'Undo'}
      confirm=""
      people={state.people}
      send={send}
      close={close}
    >
      <p>
        {count === 1 ? 'This record' : `These ${count} records`} will be {enforce ? 'installed in ' : 'taken out of '}
        {consumers.length === 0 ? (
          `everything that takes the list of “${action.enforcer}”`
        ) : (
          <>
            {plural(consumers.length, 'resolver')}: <b>{consumers.join(', ')}</b>
          </>
        )}
        , for <b>{action.client ?? 'every client'}</b>:
      </p>
      <ul class="records">
        {action.records.map((r) => (
          <li key={r.record}>
            <code>{r.record}</code>
          </li>
        ))}
      </ul>
      <p class="quiet">
        {enforce
          ? 'It ends by itself after the time that city.yaml gives (response.ttl); it can be undone before. '
          : 'Records that another action needs too stay. '}
        Each resolver is asked afterwards, and what it answered is shown here.
      </p>
    </AskDialog>
  );
}
