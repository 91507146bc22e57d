// How far each device's data are believed, lowest first, and because of what.
import { useState } from 'preact/hooks';
import type { PageState } from './live.ts';
import { Bar } from './marks.tsx';
import { dayClock, percent } from './words.ts';

const SHOWN = 10;
/** Below this a reading counts as not trusted; the same line as in the records. */
const TRUSTED = 0.5;

export function TrustPanel({ state, show }: { state: PageState; show: (finding: string) => void }) {
  const [all, setAll] = useState(false);
  const records = [...state.trust.values()].sort((a, b) => a.trust - b.trust || (a.asset < b.asset ? -1 : 1));
  const shown = all ? records : records.slice(0, SHOWN);
  return (
    <section class="panel trust" id="trust" aria-labelledby="trust-title">
      <h2 id="trust-title">Trust in devices</h2>
      {records.length === 0 ? (
        <p class="empty">Every device is believed. One whose data come into doubt appears here, with the reason.</p>
      ) : (
        <ul class="trust-list">
          {shown.map((t) => (
            <li key={t.asset}>
              <span class="trust-asset">
                <b>{t.asset}</b>
                <span class="quiet"> since {dayClock(t.at)}</span>
              </span>
              <span class="trust-share">
                <Bar share={t.trust} label={`${percent(t.trust)} trusted`} low={t.trust < TRUSTED} />
                <span class="number">{percent(t.trust)}</span>
                <span class={t.trust < TRUSTED ? 'word word-low' : 'word'}>
                  {t.trust < TRUSTED ? 'not trusted' : 'trusted'}
                </span>
              </span>
              {t.because.length > 0 && (
                <span class="trust-because">
                  <span class="quiet">because</span>
                  {t.because.slice(0, 3).map((id) => (
                    <button key={id} type="button" class="link-button" onClick={() => show(id)}>
                      {state.findings.get(id)?.title ?? `finding ${id}`}
                    </button>
                  ))}
                </span>
              )}
            </li>
          ))}
        </ul>
      )}
      {records.length > SHOWN && (
        <button type="button" class="button button-plain" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? 'Show the lowest only' : `Show all ${records.length}`}
        </button>
      )}
    </section>
  );
}
