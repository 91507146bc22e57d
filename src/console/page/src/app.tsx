// The one page, from what needs a person down to the raw findings.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { Actions } from './actions.tsx';
import { DnsPanel } from './dns.tsx';
import { EndPanel } from './end.tsx';
import { FindingDialog } from './finding.tsx';
import { Findings } from './findings.tsx';
import { Header } from './header.tsx';
import { Holds } from './holds.tsx';
import { Incidents } from './incidents.tsx';
import type { Live, PageState } from './live.ts';
import { TrustPanel } from './trust.tsx';
import { clock, sayCommand } from './words.ts';

export function App({ live, state }: { live: Live; state: PageState }) {
  const [shown, setShown] = useState('');
  const show = useCallback((id: string) => setShown(id), []);
  const waiting = [...state.holds.values()].filter((h) => h.outcome === undefined);
  const heard = useAnnouncements(state);
  const responds = state.responds || state.actions.size > 0;

  useEffect(() => {
    const count = waiting.length > 0 ? `(${waiting.length} waiting) ` : '';
    document.title = `${count}Parapet${state.city === '' ? '' : ` · ${state.city}`}`;
  }, [waiting.length, state.city]);

  return (
    <>
      <nav class="skip" aria-label="Skip to">
        <a href="#held">Skip to the held command</a>
        {responds && <a href="#actions">Skip to actions</a>}
        <a href="#incidents">Skip to incidents</a>
        <a href="#findings">Skip to findings</a>
      </nav>
      <Header state={state} waiting={waiting.length} />
      <main>
        {state.end !== undefined && <EndPanel end={state.end} />}
        <div class="column">
          <Holds live={live} state={state} show={show} />
          {responds && <Actions live={live} state={state} show={show} />}
        </div>
        <Incidents live={live} state={state} show={show} />
        <TrustPanel state={state} show={show} />
        <DnsPanel state={state} />
        <Findings state={state} show={show} />
      </main>
      <footer>All times are UTC, as the events carry them. Nothing on this page is loaded from elsewhere.</footer>
      <FindingDialog live={live} id={shown} close={() => setShown('')} />
      <div class="heard" role="status" aria-live="polite">
        {heard.polite}
      </div>
      <div class="heard" role="alert" aria-live="assertive">
        {heard.assertive}
      </div>
    </>
  );
}

/** What a screen reader says unasked: a new held command at once, a new incident or proposed action when there is a pause. */
function useAnnouncements(state: PageState): { polite: string; assertive: string } {
  const known = useRef({
    loaded: false,
    holds: new Set<string>(),
    incidents: new Set<string>(),
    actions: new Set<string>(),
  });
  const [heard, setHeard] = useState({ polite: '', assertive: '' });
  useEffect(() => {
    if (!state.loaded) return;
    const before = known.current;
    const holds = [...state.holds.values()].filter((h) => h.outcome === undefined && !before.holds.has(h.id));
    const incidents = [...state.incidents.values()].filter((i) => !before.incidents.has(i.id));
    const proposed = [...state.actions.values()].filter((a) => a.state === 'proposed' && !before.actions.has(a.id));
    for (const a of state.actions.keys()) before.actions.add(a);
    for (const h of state.holds.keys()) before.holds.add(h);
    for (const i of state.incidents.keys()) before.incidents.add(i);
    if (before.loaded && holds.length + incidents.length + proposed.length > 0)
      setHeard((last) => ({
        assertive:
          holds.length > 0
            ? `A command is held: ${sayCommand(holds[0]!.command)}, asked by ${holds[0]!.command.requester}. It waits for people until ${clock(holds[0]!.expiresAt)}.`
            : last.assertive,
        polite:
          incidents.length > 0
            ? `New incident: ${incidents[0]!.title}`
            : proposed.length > 0
              ? `Proposed: refuse ${proposed[0]!.subject}`
              : last.polite,
      }));
    before.loaded = true;
  }, [state.loaded, state.holds, state.incidents, state.actions]);
  return heard;
}
