// One finding with everything behind it: reasons, and where in which file a person can see for themselves.
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import type { Live } from './live.ts';
import { SeverityMark } from './marks.tsx';
import type { WireFinding } from './wire.ts';
import { assetName, dayClock, number, openWith, percent, planes, plural } from './words.ts';

export function FindingFacts({ live, id, known }: { live: Live; id: string; known: WireFinding | undefined }) {
  const [fetched, setFetched] = useState<WireFinding | 'none' | undefined>();
  useEffect(() => {
    if (known === undefined) void live.finding(id).then((f) => setFetched(f ?? 'none'));
  }, [live, id, known]);
  const finding = known ?? fetched;
  if (finding === undefined) return <p class="quiet">Fetching…</p>;
  if (finding === 'none')
    return <p class="quiet">This finding is no longer kept here. Its id is {id}; “parapet hunt” may still have it.</p>;
  return (
    <div class="finding">
      <p class="finding-head">
        <SeverityMark severity={finding.severity} /> {finding.title}
      </p>
      <dl class="facts">
        <Fact name="Device">{assetName(finding.asset)}</Fact>
        <Fact name="About">
          {finding.subject.type} <code>{finding.subject.value}</code>
        </Fact>
        <Fact name="Seen in">{planes[finding.plane] ?? finding.plane}</Fact>
        <Fact name="How sure">{percent(finding.confidence)}</Fact>
        <Fact name="First, alert, last">
          {dayClock(finding.firstAt)}, {dayClock(finding.at)}, {dayClock(finding.lastAt)}
        </Fact>
        {finding.tool !== undefined && <Fact name="Tool">{finding.tool}</Fact>}
        {finding.leakedBytes !== undefined && (
          <Fact name="Data lost, estimated">{number(finding.leakedBytes)} bytes</Fact>
        )}
      </dl>
      <h4>Why</h4>
      <ul class="reasons">
        {finding.reasons.map((r) => (
          <li key={r.text}>
            {r.text}{' '}
            <span class="quiet" title="log2 of how much likelier this is in an attack than in ordinary life">
              {r.bits > 0 ? '+' : ''}
              {r.bits.toFixed(1)} bits
            </span>
          </li>
        ))}
      </ul>
      <h4>Evidence: {plural(finding.count, 'event')}</h4>
      <ul class="evidence">
        {finding.evidence.map((e) => (
          <li key={`${e.file} ${e.frame ?? e.line ?? e.offset ?? e.flow}`}>
            <b>{e.file}</b>
            {e.frame !== undefined && ` frame ${e.frame}`}
            {e.line !== undefined && ` line ${e.line}`}
            {e.offset !== undefined && ` byte ${e.offset}`}
            {e.flow !== undefined && ` flow ${e.flow}`}
            {openWith(e) !== '' && <code>{openWith(e)}</code>}
          </li>
        ))}
      </ul>
      {finding.response.length > 0 && (
        <>
          <h4>Proposed measure</h4>
          <ul class="evidence">
            {finding.response.map((r) => (
              <li key={r.record}>
                <code>{r.record}</code>
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

function Fact({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

export function FindingDialog({ live, id, close }: { live: Live; id: string; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  useEffect(() => {
    if (id === '') return;
    const element = dialog.current!;
    element.showModal();
    return () => element.close();
  }, [id]);
  if (id === '') return null;
  const leave = (): void => {
    // Closed while it still stands in the page: only then does the focus go back to what opened it.
    dialog.current?.close();
    close();
  };
  return (
    <dialog
      ref={dialog}
      class="dialog dialog-wide"
      aria-labelledby={title}
      onCancel={(e) => {
        e.preventDefault();
        leave();
      }}
    >
      <h2 id={title}>Finding</h2>
      <FindingFacts key={id} live={live} id={id} known={live.state.findings.get(id)} />
      <div class="buttons">
        <button type="button" class="button button-plain" onClick={leave}>
          Close
        </button>
      </div>
    </dialog>
  );
}
