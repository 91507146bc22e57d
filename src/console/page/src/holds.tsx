// The held command: what was asked, why it waits, what it would do, and the two answers.
import { useEffect, useRef, useState } from 'preact/hooks';
import { DecideDialog } from './decide.tsx';
import { Grid, GridLegend, GridList } from './grid.tsx';
import type { Live, PageState } from './live.ts';
import type { WireHold } from './wire.ts';
import { clock, harmWords, percent, plural, rowOf, sayCommand } from './words.ts';

/** Decided commands shown; the whole list is in the audit. */
const DECIDED_MAX = 12;

/** The command as it was when the question was put, so that nothing changes under a person's hands. */
interface Asking {
  readonly hold: WireHold;
  readonly answer: 'release' | 'refuse';
}

export function Holds({ live, state, show }: { live: Live; state: PageState; show: (finding: string) => void }) {
  const [chosen, setChosen] = useState('');
  const [asking, setAsking] = useState<Asking | undefined>();
  const [told, setTold] = useState('');
  const title = useRef<HTMLHeadingElement>(null);
  const waiting = [...state.holds.values()]
    .filter((h) => h.outcome === undefined)
    .sort((a, b) => (a.expiresAt < b.expiresAt ? -1 : 1));
  const hold = waiting.find((h) => h.id === chosen) ?? waiting[0];
  const shownId = hold?.id;
  useEffect(() => {
    // Where the answered command is gone, so is the button that had the focus: it goes to the title, not to nowhere.
    if (told !== '' && document.activeElement === document.body) title.current?.focus();
  }, [told, shownId]);
  return (
    <section class={hold === undefined ? 'panel held' : 'panel held held-wants'} id="held" aria-labelledby="held-title">
      <h2 id="held-title" tabIndex={-1} ref={title}>
        {waiting.length === 0 ? 'Held commands' : `${plural(waiting.length, 'command')} held for people to decide`}
      </h2>
      {waiting.length > 1 && (
        <ul class="held-list" aria-label="Held commands">
          {waiting.map((h) => (
            <li key={h.id}>
              <button type="button" class="chip" aria-pressed={h.id === hold?.id} onClick={() => setChosen(h.id)}>
                {sayCommand(h.command)} <span class="quiet">until {clock(h.expiresAt)}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
      {hold === undefined ? (
        <NoHold state={state} />
      ) : (
        <Hold
          key={hold.id}
          state={state}
          hold={hold}
          show={show}
          ask={(answer) => {
            setTold('');
            setAsking({ hold, answer });
          }}
        />
      )}
      <p class="told" role="status">
        {told}
      </p>
      <Decided state={state} />
      {asking !== undefined && (
        <DecideDialog
          hold={asking.hold}
          answer={asking.answer}
          people={state.people}
          send={(person) => live.decide(asking.hold, asking.answer, person)}
          close={(text) => {
            setAsking(undefined);
            setTold(text);
          }}
        />
      )}
    </section>
  );
}

function NoHold({ state }: { state: PageState }) {
  return (
    <div class="hold hold-none">
      <p class="empty">
        No command is waiting. A command that would harm the grid, or that rests on readings which can't be trusted just
        now, stops here until two people release it or one refuses it.
      </p>
      {state.grid === undefined ? (
        <p class="empty">The power grid is drawn here as soon as its first estimate is ready.</p>
      ) : (
        <figure class="hold-grid">
          <figcaption>{state.grid.label}</figcaption>
          <Grid view={state.grid} asked={-1} />
          <GridLegend view={state.grid} />
          <GridList view={state.grid} />
        </figure>
      )}
    </div>
  );
}

function Hold(props: {
  state: PageState;
  hold: WireHold;
  show: (finding: string) => void;
  ask: (answer: Asking['answer']) => void;
}) {
  const { state, hold, show, ask } = props;
  const { command, verdict } = hold;
  const missing = hold.needed - hold.approvals.length;
  return (
    <div class="hold">
      <div class="hold-words">
        <p class="asked">{sayCommand(command)}</p>
        <p class="quiet">
          Asked by <b>{command.requester}</b> at {clock(command.at)}
          {command.reason !== '' && (
            <>
              , giving as reason: <q>{command.reason}</q>
            </>
          )}
          <br />
          <code>
            {command.target} {command.action}
          </code>
        </p>
        <h3>Why it is held</h3>
        <ul class="why">
          {verdict.reasons.map((text) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
        {verdict.harm.length > 0 && (
          <>
            <h3>What it would do</h3>
            <ul class="why">
              {verdict.harm.map((text) => (
                <li key={text}>{harmWords(text)}</li>
              ))}
              {verdict.loadLostShare !== undefined && verdict.loadLostShare > 0 && (
                <li>
                  <b>{percent(verdict.loadLostShare)}</b> of the city's load without supply
                </li>
              )}
            </ul>
          </>
        )}
        {verdict.leansOn.length > 0 && (
          <>
            <h3>It rests on data that can't be trusted</h3>
            <ul class="leans">
              {verdict.leansOn.map((name) => (
                <LeansOn key={name} name={name} state={state} show={show} />
              ))}
            </ul>
          </>
        )}
        <div class="answer">
          <p class="agreed">
            <Agreed hold={hold} />
            {hold.approvals.length === 0
              ? `Nobody has agreed yet; releasing takes ${plural(hold.needed, 'different person', 'different people')}.`
              : `Agreed: ${hold.approvals.join(', ')}. ${missing} more needed.`}{' '}
            <span class="quiet">
              Waits until <time dateTime={hold.expiresAt}>{clock(hold.expiresAt)}</time>
              {hold.unanswered === undefined ? '.' : `; then ${hold.unanswered}.`}
            </span>
          </p>
          <div class="buttons">
            <button type="button" class="button" onClick={() => ask('refuse')}>
              Refuse…
            </button>
            <button type="button" class="button button-plain" onClick={() => ask('release')}>
              Release…
            </button>
          </div>
        </div>
      </div>
      <BeforeAfter hold={hold} state={state} />
    </div>
  );
}

/** One mark for each person needed: filled where given. */
function Agreed({ hold }: { hold: WireHold }) {
  return (
    <span class="agreed-marks" aria-hidden="true">
      {Array.from({ length: hold.needed }, (_, i) => (
        <svg
          key={i}
          viewBox="0 0 16 16"
          width="16"
          height="16"
          aria-hidden="true"
          class={i < hold.approvals.length ? 'given' : ''}
        >
          <circle cx="8" cy="8" r="6.5" />
          <path d="M4.5 8.5 7 11 11.5 5.5" />
        </svg>
      ))}
    </span>
  );
}

function LeansOn({ name, state, show }: { name: string; state: PageState; show: (finding: string) => void }) {
  const record = state.trust.get(name);
  const because = record?.because[0];
  return (
    <li>
      <code>{name}</code>
      {record !== undefined && <span class="quiet"> trusted {percent(record.trust)}</span>}
      {because !== undefined && (
        <button
          type="button"
          class="link-button"
          onClick={() => show(because)}
          aria-label={`Why ${name} is not trusted`}
        >
          why
        </button>
      )}
    </li>
  );
}

function BeforeAfter({ hold, state }: { hold: WireHold; state: PageState }) {
  const [side, setSide] = useState<'before' | 'after'>('after');
  const before = hold.before ?? state.grid;
  const view = side === 'after' ? (hold.after ?? before) : before;
  if (view === undefined) return <p class="empty">No picture of the grid came with this command.</p>;
  const both = before !== undefined && hold.after !== undefined;
  return (
    <figure class="hold-grid">
      {both && (
        <fieldset class="switch">
          <legend class="heard">Which picture of the grid</legend>
          {(['before', 'after'] as const).map((each) => (
            <label key={each}>
              <input type="radio" name="side" checked={side === each} onChange={() => setSide(each)} />
              <span>{each === 'before' ? 'Now' : 'If it had run'}</span>
            </label>
          ))}
        </fieldset>
      )}
      <figcaption>
        {view.label}
        {view.loadLostShare !== undefined && (
          <b class={view.loadLostShare > 0 ? 'lost' : ''}> {percent(view.loadLostShare)} of load without supply</b>
        )}
      </figcaption>
      <Grid view={view} asked={rowOf(hold.command.target)} />
      <GridLegend view={view} />
      <GridList view={view} />
    </figure>
  );
}

function Decided({ state }: { state: PageState }) {
  const decided = [...state.holds.values()].filter((h) => h.outcome !== undefined).reverse();
  const judged = [...state.verdicts.values()].reverse();
  if (decided.length === 0 && judged.length === 0) return null;
  return (
    <details class="decided">
      <summary>Commands decided so far</summary>
      <ul>
        {decided.slice(0, DECIDED_MAX).map((h) => (
          <li key={h.id}>
            <b>{sayCommand(h.command)}</b> {h.outcome!.text}{' '}
            <span class="quiet">
              {h.outcome!.what} at {clock(h.outcome!.at)}
            </span>
          </li>
        ))}
        {judged.slice(0, DECIDED_MAX).map((v) => (
          <li key={v.id}>
            <code>{v.command}</code> <b>{{ pass: 'passed', hold: 'held', refuse: 'refused' }[v.decision]}</b>{' '}
            <span class="quiet">
              at {clock(v.at)}: {v.reasons[0] ?? ''}
            </span>
          </li>
        ))}
      </ul>
    </details>
  );
}
