// The DNS plane: what one tunnel is, in full, and what of the names can't be seen.
import type { PageState } from './live.ts';
import { SeverityMark } from './marks.tsx';
import type { WireFinding } from './wire.ts';
import { assetName, number, openWith, planes, plural } from './words.ts';

const order = ['info', 'low', 'medium', 'high', 'critical'];
/** Reasons told at a glance; the finding has them all. */
const REASONS_MAX = 3;
/** Tunnels told in full under one incident; the story has them all. */
const TUNNELS_MAX = 3;

/** The strongest DNS findings of an incident, told at a glance. */
export function DnsFacts(props: { findings: readonly WireFinding[]; show: (finding: string) => void }) {
  const found = props.findings.filter((f) => f.plane === 'dns').sort((a, b) => b.bits - a.bits);
  if (found.length === 0) return null;
  const more = found.length - TUNNELS_MAX;
  return (
    <section class="dns-facts" aria-label="What leaves through DNS">
      {found.slice(0, TUNNELS_MAX).map((f) => (
        <DnsFinding key={f.id} finding={f} show={props.show} />
      ))}
      {more > 0 && <p class="quiet">And {plural(more, 'more DNS finding')} in the story below.</p>}
    </section>
  );
}

function DnsFinding({ finding: f, show }: { finding: WireFinding; show: (finding: string) => void }) {
  const rpz = f.response.filter((r) => r.type === 'rpz');
  return (
    <div class="finding">
      <p class="finding-head">
        <button type="button" class="link-button" onClick={() => show(f.id)}>
          {f.title}
        </button>
      </p>
      <dl class="facts">
        <Fact name={f.subject.type === 'domain' ? 'Zone cut' : 'About'}>
          <code>{f.subject.value}</code>
        </Fact>
        <Fact name="Device">{assetName(f.asset)}</Fact>
        {f.leakedBytes !== undefined && (
          <Fact name="Data lost">
            <b class="number">{number(f.leakedBytes)}</b> bytes so far, estimated
            {f.leakedBytesAtAlert !== undefined && <>; {number(f.leakedBytesAtAlert)} at the alert</>}
          </Fact>
        )}
        <Fact name="Tool">{f.tool ?? 'not known'}</Fact>
      </dl>
      <h4>Strongest reasons</h4>
      <ol class="reasons">
        {f.reasons.slice(0, REASONS_MAX).map((r) => (
          <li key={r.text}>
            {r.text}{' '}
            <span class="quiet number">
              {r.bits > 0 ? '+' : ''}
              {r.bits.toFixed(1)} bits
            </span>
          </li>
        ))}
      </ol>
      <h4>{rpz.length === 0 ? 'No record is proposed' : 'Would be refused by'}</h4>
      {rpz.length > 0 && (
        <ul class="records">
          {rpz.map((r) => (
            <li key={r.record}>
              <code>{r.record}</code>
            </li>
          ))}
        </ul>
      )}
      <h4>Evidence of {plural(f.count, 'event')}</h4>
      <ul class="evidence">
        {labelled(f.evidence).map(([label, e]) => (
          <li key={label}>
            {label}: <b>{e.file}</b>
            {e.frame !== undefined && ` frame ${e.frame}`}
            {e.line !== undefined && ` line ${e.line}`}
            {e.offset !== undefined && ` byte ${e.offset}`}
            {openWith(e) !== '' && <code>{openWith(e)}</code>}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Evidence is the first, the decisive and the last event, without repeats; with `--evidence all`, every one. */
function labelled(evidence: WireFinding['evidence']): [string, WireFinding['evidence'][number]][] {
  const last = evidence.length - 1;
  if (last < 0) return [];
  if (last === 0) return [['The event', evidence[0]!]];
  const decisive: [string, WireFinding['evidence'][number]][] = last === 2 ? [['Decisive', evidence[1]!]] : [];
  return [['First', evidence[0]!], ...decisive, ['Last', evidence[last]!]];
}

function Fact({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** What the sensors see of names and what they can't; absent until there is either. */
export function DnsPanel({ state }: { state: PageState }) {
  const unseen = [...state.coverage.values()].filter((c) => c.plane === 'dns').sort((a, b) => b.count - a.count);
  const detectors = new Map<string, { count: number; worst: string }>();
  for (const f of state.findings.values()) {
    if (f.plane !== 'dns') continue;
    const old = detectors.get(f.detector) ?? { count: 0, worst: 'info' };
    const worst = order.indexOf(f.severity) > order.indexOf(old.worst) ? f.severity : old.worst;
    detectors.set(f.detector, { count: old.count + 1, worst });
  }
  if (unseen.length === 0 && detectors.size === 0) return null;
  const rows = [...detectors].sort((a, b) => b[1].count - a[1].count || (a[0] < b[0] ? -1 : 1));
  return (
    <section class="panel dns" id="dns" aria-labelledby="dns-title">
      <h2 id="dns-title">{planes.dns}</h2>
      {rows.length === 0 ? (
        <p class="empty">No finding so far.</p>
      ) : (
        <table class="counts-table">
          <caption class="quiet">Findings by detector</caption>
          <thead>
            <tr>
              <th scope="col">Detector</th>
              <th scope="col">Findings</th>
              <th scope="col">Worst</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(([name, row]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td class="number">{number(row.count)}</td>
                <td>
                  <SeverityMark severity={row.worst} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <h3>What can’t be seen</h3>
      {unseen.length === 0 ? (
        <p class="empty">Nothing is known to be out of sight.</p>
      ) : (
        <ul class="unseen">
          {unseen.map((c) => (
            <li key={c.what}>
              <b class="number">{number(c.count)}</b>
              <span>{c.text}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
