// Incidents: each one story, in order, and each step open to its evidence.
import { DnsFacts } from './dns.tsx';
import { FindingFacts } from './finding.tsx';
import type { Live, PageState } from './live.ts';
import { SeverityMark } from './marks.tsx';
import type { WireIncident } from './wire.ts';
import { assetName, clock, dayClock, percent, planes, plural } from './words.ts';

/** Devices named under an incident; the rest is counted. */
const ASSETS_MAX = 8;

export function Incidents({ live, state, show }: { live: Live; state: PageState; show: (finding: string) => void }) {
  const order = ['critical', 'high', 'medium', 'low', 'info'];
  const incidents = [...state.incidents.values()].sort(
    (a, b) => order.indexOf(a.severity) - order.indexOf(b.severity) || (a.lastAt < b.lastAt ? 1 : -1),
  );
  return (
    <section class="panel incidents" id="incidents" aria-labelledby="incidents-title">
      <h2 id="incidents-title">Incidents</h2>
      {incidents.length === 0 ? (
        <p class="empty">
          Nothing so far. Findings that belong together appear here as one story, from the first sign on.
        </p>
      ) : (
        incidents.map((i, n) => (
          <IncidentStory key={i.id} live={live} state={state} incident={i} open={n === 0} show={show} />
        ))
      )}
    </section>
  );
}

function IncidentStory(props: {
  live: Live;
  state: PageState;
  incident: WireIncident;
  open: boolean;
  show: (finding: string) => void;
}) {
  const { live, state, incident, open, show } = props;
  const known = incident.findings.flatMap((id) => state.findings.get(id) ?? []);
  const more = incident.assets.length - ASSETS_MAX;
  return (
    <details class="incident" open={open}>
      <summary>
        <SeverityMark severity={incident.severity} />
        <span class="incident-title">{incident.title}</span>
        <span class="quiet">
          {percent(incident.confidence)} sure · {dayClock(incident.firstAt)} to {dayClock(incident.lastAt)}
        </span>
      </summary>
      <dl class="facts">
        <div>
          <dt>Seen in</dt>
          <dd>{incident.planes.map((p) => planes[p] ?? p).join(', ')}</dd>
        </div>
        <div>
          <dt>Devices</dt>
          <dd>
            {incident.assets.slice(0, ASSETS_MAX).map(assetName).join(', ')}
            {more > 0 && ` and ${more} more`}
          </dd>
        </div>
        {incident.techniques.length > 0 && (
          <div>
            <dt>ATT&amp;CK</dt>
            <dd>{incident.techniques.join(', ')}</dd>
          </div>
        )}
      </dl>
      <DnsFacts findings={known} show={show} />
      <ol class="story" aria-label="What happened, in order">
        {incident.story.map((step) => (
          <li key={`${step.finding} ${step.at}`}>
            <details>
              <summary>
                <time dateTime={step.at} title={dayClock(step.at)}>
                  {clock(step.at)}
                </time>
                <span>{step.text}</span>
              </summary>
              <FindingFacts live={live} id={step.finding} known={state.findings.get(step.finding)} />
            </details>
          </li>
        ))}
      </ol>
      {incident.response.length > 0 && (
        <details class="responses">
          <summary>{plural(incident.response.length, 'proposed measure')}, exactly as they would be installed</summary>
          <ul>
            {incident.response.map((r) => (
              <li key={r.record}>
                <code>{r.record}</code>
              </li>
            ))}
          </ul>
        </details>
      )}
    </details>
  );
}
