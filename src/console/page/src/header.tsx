// What is happening, in one sentence, with the clock of the events and whether the page is up to date.
import type { PageState } from './live.ts';
import { ThemeChoice } from './theme.tsx';
import { clock, day, isPublished, plural } from './words.ts';

const phases = {
  quiet: { word: 'Quiet', mark: 'M3 8H13' },
  attack: { word: 'Under attack', mark: 'M8 2V9M8 12V14' },
  end: { word: 'Ended', mark: 'M4 4H12V12H4Z' },
} as const;

const links = {
  connecting: 'Connecting…',
  live: 'Up to date',
  lost: 'Connection lost: what you see may be old',
} as const;

export function Header({ state, waiting }: { state: PageState; waiting: number }) {
  const { progress } = state;
  const actions = [...state.actions.values()];
  const enforced = actions.filter(isPublished).length;
  const proposed = actions.filter((a) => a.state === 'proposed' && !isPublished(a)).length;
  const phase = phases[progress?.phase ?? 'quiet'];
  return (
    <header class={`top top-${progress?.phase ?? 'quiet'}`}>
      <div class="top-line">
        <h1>
          <svg viewBox="0 0 16 16" width="18" height="18" aria-hidden="true">
            <path d="M1 14V4h3v3h2.500V4h3v3H12V4h3v10z" />
          </svg>
          Parapet {state.city !== '' && <span class="city">{state.city}</span>}
        </h1>
        <p class={`link link-${state.link}`}>
          <span class="link-dot" aria-hidden="true" />
          {links[state.link]}
        </p>
        <ThemeChoice />
      </div>
      <div class="now">
        <p class="phase">
          <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
            <circle cx="8" cy="8" r="7" />
            <path d={phase.mark} />
          </svg>
          {progress === undefined ? 'Waiting' : phase.word}
        </p>
        <p class="sentence">{progress?.text ?? 'Waiting for the first word from the city.'}</p>
        <p class="clock">
          {progress === undefined ? (
            <span class="clock-time">--:--:--</span>
          ) : (
            <>
              <time class="clock-time" dateTime={progress.at}>
                {clock(progress.at)}
              </time>
              <span class="clock-day">
                {day(progress.at)}
                {progress.speed === 1 ? ' · live' : progress.speed === 0 ? ' · paused' : ` · ${progress.speed} × speed`}
              </span>
            </>
          )}
        </p>
      </div>
      <ul class="counts" aria-label="In short">
        <li class={waiting > 0 ? 'count-wants' : ''}>
          <a href="#held">{plural(waiting, 'command')} waiting for people</a>
        </li>
        {state.actions.size > 0 && (
          <li class={proposed > 0 ? 'count-wants' : ''}>
            <a href="#actions">
              {plural(proposed, 'action')} proposed, {enforced} in force
            </a>
          </li>
        )}
        <li>
          <a href="#incidents">{plural(state.incidents.size, 'incident')}</a>
        </li>
        <li>
          <a href="#findings">{plural(state.findings.size, 'finding')}</a>
        </li>
      </ul>
    </header>
  );
}
