// What Parapet would refuse, refuses, or has stopped refusing: the exact records, for whom, until when, because of what,
// and what each resolver answered when it was asked.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Live, PageState } from './live.ts';
import { RespondDialog } from './respond.tsx';
import type { WireAction } from './wire.ts';
import { clock, dayClock, isPublished, left, plural } from './words.ts';

/** Proposed and enforced actions shown at first. */
const SHOWN = 8;
/** Ended actions shown; the ledger has them all. */
const ENDED_MAX = 20;
/** Findings named under an action; the rest is counted. */
const BECAUSE_MAX = 3;

interface Asking {
  /** As it was when the question was put, so that nothing changes under a person's hands. */
  readonly action: WireAction;
  readonly answer: 'enforce' | 'undo';
}

export function Actions({ live, state, show }: { live: Live; state: PageState; show: (finding: string) => void }) {
  const [asking, setAsking] = useState<Asking | undefined>();
  const [whole, setWhole] = useState(false);
  const [told, setTold] = useState('');
  const title = useRef<HTMLHeadingElement>(null);
  const all = [...state.actions.values()].sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : a.id < b.id ? -1 : 1));
  const proposed = all.filter((a) => a.state === 'proposed');
  const enforced = all.filter((a) => a.state === 'enforced');
  const current = [...proposed, ...enforced];
  const ended = all.filter((a) => a.state !== 'proposed' && a.state !== 'enforced');
  useEffect(() => {
    // The button that had the focus has gone with the state it was for: the focus goes to the title, not to nowhere.
    if (told !== '' && document.activeElement === document.body) title.current?.focus();
  }, [told, proposed.length, enforced.length]);
  const one = (a: WireAction) => (
    <ActionCard
      key={a.id}
      state={state}
      action={a}
      show={show}
      ask={(answer) => {
        setTold('');
        setAsking({ action: a, answer });
      }}
    />
  );
  return (
    <section class="panel actions" id="actions" aria-labelledby="actions-title">
      <h2 id="actions-title" tabIndex={-1} ref={title}>
        Actions
        {all.length > 0 && (
          <span class="quiet">
            {' '}
            {proposed.length} proposed, {enforced.length} in force
          </span>
        )}
      </h2>
      <p class="told" role="status">
        {told}
      </p>
      {current.length === 0 && (
        <p class="empty">
          Nothing is proposed and nothing is refused. Where a finding could be answered by refusing a name or an
          address, the exact record appears here.
        </p>
      )}
      <ul class="action-list">{current.slice(0, whole ? current.length : SHOWN).map(one)}</ul>
      {current.length > SHOWN && (
        <button type="button" class="button button-plain" aria-expanded={whole} onClick={() => setWhole(!whole)}>
          {whole ? 'Show the newest only' : `Show all ${current.length}`}
        </button>
      )}
      {ended.length > 0 && (
        <details class="decided">
          <summary>{plural(ended.length, 'action')} ended or refused</summary>
          <ul class="action-list">{ended.slice(0, ENDED_MAX).map(one)}</ul>
          {ended.length > ENDED_MAX && <p class="quiet">And {ended.length - ENDED_MAX} older ones.</p>}
        </details>
      )}
      {asking !== undefined && (
        <RespondDialog
          state={state}
          action={asking.action}
          answer={asking.answer}
          send={(person) => live.respond(asking.action, asking.answer, person)}
          close={(text) => {
            setAsking(undefined);
            setTold(text);
          }}
        />
      )}
    </section>
  );
}

/** What is shown of an action's state: a proposed one with an end is published, but no resolver has confirmed it. */
type Shown = WireAction['state'] | 'published';
const shownAs = (a: WireAction): Shown => (a.state === 'proposed' && isPublished(a) ? 'published' : a.state);

const words: Readonly<Record<Shown, string>> = {
  proposed: 'Proposed',
  published: 'Published, not confirmed',
  enforced: 'In force',
  undone: 'Undone',
  expired: 'Ended by itself',
  refused: 'Not allowed',
};

/** Shape and word carry the state; colour only repeats it. */
const marks: Readonly<Record<Shown, string>> = {
  published:
    'M8 1 14 3.5V8c0 3.5-2.5 6-6 7-3.5-1-6-3.5-6-7V3.5ZM8 3.2 4 4.9V8c0 2.4 1.6 4.1 4 4.9 2.4-.8 4-2.5 4-4.9V4.9Z',
  proposed: 'M8 1.5a6.5 6.5 0 1 0 .01 0ZM8 4a4 4 0 1 1-.01 0Z',
  enforced: 'M8 1 14 3.500V8c0 3.5-2.5 6-6 7-3.5-1-6-3.5-6-7V3.500Z',
  undone: 'M9 3 3 8l6 5V9.500h4v-3H9Z',
  expired: 'M3 2h10v2L9.5 8 13 12v2H3v-2l3.5-4L3 4Z',
  refused: 'M4 2 8 6l4-4 2 2-4 4 4 4-2 2-4-4-4 4-2-2 4-4-4-4Z',
};

function ActionCard(props: {
  state: PageState;
  action: WireAction;
  show: (finding: string) => void;
  ask: (answer: Asking['answer']) => void;
}) {
  const { state, action, show, ask } = props;
  const shown = shownAs(action);
  const more = action.because.length - BECAUSE_MAX;
  return (
    <li class={`action action-${shown}`}>
      <div class="action-head">
        <span class="action-state">
          <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
            <path fill-rule="evenodd" d={marks[shown]} />
          </svg>
          {words[shown]}
        </span>
        <b class="action-subject">{action.subject}</b>
        <span class="quiet">
          for {action.client ?? 'every client'}, by {action.by} since {dayClock(action.at)}
        </span>
      </div>
      <p>{action.text}</p>
      <ul class="records" aria-label={`Records (${action.enforcer})`}>
        {action.records.map((r) => (
          <li key={r.record}>
            <code>{r.record}</code>
          </li>
        ))}
      </ul>
      <Until state={state} action={action} />
      {action.because.length > 0 && (
        <div class="trust-because">
          <span class="quiet">because</span>
          {action.because.slice(0, BECAUSE_MAX).map((id) => (
            <button key={id} type="button" class="link-button" onClick={() => show(id)}>
              {state.findings.get(id)?.title ?? `finding ${id}`}
            </button>
          ))}
          {more > 0 && <span class="because-more quiet">and {more} more</span>}
        </div>
      )}
      {action.proofs.length > 0 && <Proofs action={action} />}
      {state.responds && (shown === 'proposed' || isPublished(action)) && (
        <div class="buttons">
          {/* Keyed, so that the focus never stays on a button that has become its opposite. */}
          {shown === 'proposed' ? (
            <button
              key="enforce"
              type="button"
              class="button"
              aria-label={`Enforce ${action.subject}…`}
              onClick={() => ask('enforce')}
            >
              Enforce…
            </button>
          ) : (
            <button
              key="undo"
              type="button"
              class="button button-plain"
              aria-label={`Undo ${action.subject}…`}
              onClick={() => ask('undo')}
            >
              Undo…
            </button>
          )}
        </div>
      )}
    </li>
  );
}

/** On event time, as everything here: with the city paused the countdown stands too. */
function Until({ state, action }: { state: PageState; action: WireAction }) {
  if (action.until === undefined || !isPublished(action)) return null;
  return (
    <p class="until">
      Ends by itself in <b class="number">{left(state.progress?.at ?? action.at, action.until)}</b>{' '}
      <span class="quiet">
        at <time dateTime={action.until}>{clock(action.until)}</time>
      </span>
    </p>
  );
}

/** `enforced` says whether the refusal holds at that resolver: wanted while in force, and a remnant once it has ended. */
function Proofs({ action }: { action: WireAction }) {
  const wanted = isPublished(action);
  return (
    <ul class="proofs" aria-label="What each resolver answered">
      {action.proofs.map((p) => (
        <li key={p.consumer} class={p.enforced === wanted ? 'proof' : 'proof proof-not'}>
          <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
            <path d={p.enforced === wanted ? 'M2.5 8.5 6.5 12.5 13.5 4' : 'M3.5 3.5 12.5 12.5M12.5 3.5 3.5 12.5'} />
          </svg>
          <span>
            <b>{p.consumer}</b>{' '}
            {p.enforced ? (wanted ? 'refuses' : 'still refuses') : wanted ? 'does not refuse' : 'no longer refuses'}
          </span>
          <span class="quiet">
            {p.text} <time dateTime={p.at}>{clock(p.at)}</time>
          </span>
        </li>
      ))}
    </ul>
  );
}
