// Every finding, newest first, with a filter. A row opens the finding.
import { useId, useState } from 'preact/hooks';
import type { PageState } from './live.ts';
import { SeverityMark } from './marks.tsx';
import type { WireFinding } from './wire.ts';
import { assetName, dayClock, percent, planes } from './words.ts';

const STEP = 50;
const order = ['info', 'low', 'medium', 'high', 'critical'];

export function Findings({ state, show }: { state: PageState; show: (finding: string) => void }) {
  const [text, setText] = useState('');
  const [plane, setPlane] = useState('');
  const [floor, setFloor] = useState('info');
  const [most, setMost] = useState(STEP);
  const id = useId();
  const all = [...state.findings.values()];
  const wanted = text.trim().toLowerCase();
  const found = all
    .filter(
      (f) =>
        (plane === '' || f.plane === plane) &&
        order.indexOf(f.severity) >= order.indexOf(floor) &&
        (wanted === '' || words(f).includes(wanted)),
    )
    .sort((a, b) => (a.at < b.at ? 1 : -1));
  return (
    <section class="panel findings" id="findings" aria-labelledby="findings-title">
      <h2 id="findings-title">Findings</h2>
      {all.length === 0 ? (
        <p class="empty">
          None so far. Each thing that looks wrong in the city's networks or readings appears here, with its evidence.
        </p>
      ) : (
        <>
          <div class="filter">
            <label for={`${id}-text`}>Find</label>
            <input
              id={`${id}-text`}
              type="search"
              placeholder="words, device, domain…"
              value={text}
              onInput={(e) => setText(e.currentTarget.value)}
            />
            <label for={`${id}-plane`}>Seen in</label>
            <select id={`${id}-plane`} value={plane} onChange={(e) => setPlane(e.currentTarget.value)}>
              <option value="">everything</option>
              {Object.entries(planes).map(([key, word]) => (
                <option key={key} value={key}>
                  {word}
                </option>
              ))}
            </select>
            <label for={`${id}-floor`}>At least</label>
            <select id={`${id}-floor`} value={floor} onChange={(e) => setFloor(e.currentTarget.value)}>
              {order.map((s) => (
                <option key={s} value={s}>
                  {s}
                </option>
              ))}
            </select>
            <p class="quiet" role="status">
              {found.length} of {all.length}
            </p>
          </div>
          <table class="table">
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">Severity</th>
                <th scope="col">What</th>
                <th scope="col">Device</th>
                <th scope="col">Seen in</th>
                <th scope="col">How sure</th>
              </tr>
            </thead>
            <tbody>
              {found.slice(0, most).map((f) => (
                <tr key={f.id}>
                  <td class="number">
                    <time dateTime={f.at}>{dayClock(f.at)}</time>
                  </td>
                  <td>
                    <SeverityMark severity={f.severity} />
                  </td>
                  <td class="what">
                    <button type="button" class="link-button" onClick={() => show(f.id)}>
                      {f.title}
                    </button>
                  </td>
                  <td>{assetName(f.asset)}</td>
                  <td>{planes[f.plane] ?? f.plane}</td>
                  <td class="number">{percent(f.confidence)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {found.length > most && (
            <button type="button" class="button button-plain" onClick={() => setMost(most + STEP)}>
              Show more
            </button>
          )}
        </>
      )}
    </section>
  );
}

function words(f: WireFinding): string {
  return `${f.title} ${f.detector} ${f.tool ?? ''} ${f.subject.value} ${Object.values(f.asset).join(' ')}`.toLowerCase();
}
