// The hub as the page sees it: what is known, as the console's own records, and the way back for two people's answers.
import type { BusMessage, Hold } from '#bus';
import type { City } from '#city';
import {
  type ConsoleEvent,
  type ConsoleSource,
  type Decision,
  type End,
  type GridView,
  type HeldCommand,
  layoutGrid,
  type Progress,
  type Snapshot,
  startConsole,
} from '#console';
import type { Command } from '#events';
import {
  type Action,
  type Coverage,
  type Finding,
  type Incident,
  type State,
  severities,
  type TrustRecord,
  type Verdict,
} from '#findings';
import type { GridPicture, Hub } from '#pipeline';
import type { HubResponse } from './hub-response.ts';

/** What one snapshot carries at the most; the store has the rest. */
const FINDINGS_SHOWN = 500;
const TRUST_SHOWN = 400;
const VERDICTS_SHOWN = 100;
/** A person waits no longer than this for the gateway's answer, milliseconds. */
const ANSWER_MILLIS = 5000;

interface Pictures {
  readonly before: GridView | undefined;
  readonly after: GridView | undefined;
}

export class HubConsole implements ConsoleSource {
  url = '';
  /** Absent where nothing is refused: the page then has no such panel. */
  respond?: (id: string, what: 'enforce' | 'undo', by: string) => Promise<string>;
  #response: HubResponse | undefined;
  readonly #unseen = new Map<string, Coverage>();
  readonly #city: City;
  readonly #hub: Hub;
  readonly #send: (message: BusMessage) => void;
  readonly #listeners = new Set<(event: ConsoleEvent) => void>();
  readonly #holds = new Map<string, HeldCommand>();
  readonly #pictures = new Map<string, Pictures>();
  readonly #waiting = new Map<string, (decision: Decision) => void>();
  readonly #people = new Map<string, string[]>();
  #progress: Progress = { phase: 'quiet', at: 0, speed: 1, text: 'Waiting for the first bytes.' };
  #end: End | undefined;
  #grid: GridView | undefined;
  #toldAt = 0;

  constructor(city: City, hub: Hub, send: (message: BusMessage) => void) {
    this.#city = city;
    this.#hub = hub;
    this.#send = send;
  }

  async listen(port: number): Promise<void> {
    const console = await startConsole({ port, source: this });
    this.url = console.url;
  }

  subscribe(listener: (event: ConsoleEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #tell(event: ConsoleEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  snapshot(): Snapshot {
    const findings = [...this.#hub.findings.values()].sort(
      (a, b) => severities.indexOf(b.severity) - severities.indexOf(a.severity) || b.at - a.at,
    );
    const trust = this.#hub.trust.records(this.#progress.at).sort((a, b) => a.trust - b.trust);
    const people = ((this.#city.file.gateway ?? {}) as { approvals?: { people?: string[] } }).approvals?.people ?? [];
    return {
      city: this.#city.name,
      progress: this.#progress,
      incidents: this.#hub.allIncidents(),
      findings: findings.slice(0, FINDINGS_SHOWN),
      trust: trust.slice(0, TRUST_SHOWN),
      holds: [...this.#holds.values()],
      verdicts: this.#hub.verdicts.slice(-VERDICTS_SHOWN),
      ...(this.#grid === undefined ? {} : { grid: this.#grid }),
      ...(this.#end === undefined ? {} : { end: this.#end }),
      people,
    };
  }

  finding(id: string): Finding | undefined {
    return this.#hub.findings.get(id);
  }

  release(id: string, person: string): Promise<Decision> {
    return this.#answer(id, true, person);
  }

  refuse(id: string, person: string): Promise<Decision> {
    return this.#answer(id, false, person);
  }

  #answer(hold: string, release: boolean, person: string): Promise<Decision> {
    if (this.#waiting.has(hold))
      return Promise.resolve({
        accepted: false,
        text: 'Another answer to this command is on its way; try again in a moment.',
      });
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(hold);
        resolve({ accepted: false, text: 'The gateway did not answer. The command stays held.' });
      }, ANSWER_MILLIS);
      this.#waiting.set(hold, (decision) => {
        clearTimeout(timer);
        resolve(decision);
      });
      this.#people.set(hold, [...(this.#people.get(hold) ?? []), person]);
      this.#send({ kind: 'answer', hold, release, person });
    });
  }

  set response(response: HubResponse) {
    this.#response = response;
    this.respond = async (id, what, by) => {
      const answer = await response.respond({ what, id, by });
      if (!answer.done) throw new Error(answer.text);
      return answer.text;
    };
  }

  actions(): readonly Action[] {
    return this.#response?.desk.list() ?? [];
  }

  consumers(): readonly string[] {
    return this.#response?.desk.settings.rpz?.consumers.map((c) => c.name) ?? [];
  }

  unseen(): readonly Coverage[] {
    return [...this.#unseen.values()];
  }

  action(data: Action): void {
    this.#tell({ type: 'action', data });
  }

  answered(hold: string, done: boolean, text: string): void {
    this.#waiting.get(hold)?.({ accepted: done, text });
    this.#waiting.delete(hold);
  }

  findings(findings: readonly Finding[]): void {
    for (const data of findings) this.#tell({ type: 'finding', data });
  }

  incidents(incidents: readonly Incident[]): void {
    for (const data of incidents) this.#tell({ type: 'incident', data });
  }

  trust(trust: readonly TrustRecord[]): void {
    for (const data of trust) this.#tell({ type: 'trust', data });
  }

  verdicts(verdicts: readonly Verdict[]): void {
    for (const data of verdicts) this.#tell({ type: 'verdict', data });
  }

  coverage(coverage: readonly Coverage[]): void {
    for (const data of coverage) {
      this.#unseen.set(`${data.plane} ${data.what}`, data);
      this.#tell({ type: 'coverage', data });
    }
  }

  /** Pictures of the grid at the moment a command was judged: they must not change while people think about it. */
  preview(command: Command, verdict: Verdict): void {
    if (verdict.decision === 'pass') return;
    const now = this.#hub.picture(command.at);
    const after = this.#hub.pictureAfter(command);
    this.#pictures.set(command.id, {
      before: now === undefined ? undefined : this.#view(now, 'Now (estimated)', command.at),
      after:
        after === undefined
          ? undefined
          : this.#view(
              after,
              after.loadLostShare === undefined
                ? 'After the command, as told'
                : 'After the command, if untrusted devices hide load',
              command.at,
            ),
    });
    if (this.#pictures.size > 200) this.#pictures.delete(this.#pictures.keys().next().value!);
  }

  holds(holds: readonly Hold[]): void {
    const still = new Set(holds.map((h) => h.id));
    for (const [id, held] of this.#holds) {
      if (still.has(id) || held.outcome !== undefined) continue;
      const by = this.#people.get(id) ?? [];
      const decided = [...this.#hub.verdicts].reverse().find((v) => v.command === held.verdict.command);
      const what =
        by.length === 0
          ? ('expired' as const)
          : decided?.decision === 'pass'
            ? ('released' as const)
            : ('refused' as const);
      const done: HeldCommand = {
        ...held,
        outcome: { what, by, at: this.#progress.at, text: decided?.reasons[0] ?? '' },
      };
      this.#holds.set(id, done);
      this.#tell({ type: 'hold', data: done });
    }
    for (const h of holds) {
      const pictures = this.#pictures.get(h.command.id);
      const data: HeldCommand = {
        id: h.id,
        command: {
          target: h.command.target,
          action: h.command.action,
          value: h.command.value,
          requester: h.command.requester,
          reason: h.command.reason,
          at: h.command.at,
        },
        verdict: h.verdict,
        approvals: h.approvals,
        needed: h.needed,
        expiresAt: h.expiresAt,
        ...(pictures?.before === undefined ? {} : { before: pictures.before }),
        ...(pictures?.after === undefined ? {} : { after: pictures.after }),
      };
      const old = this.#holds.get(h.id);
      if (old !== undefined && old.approvals.length === data.approvals.length) continue;
      this.#holds.set(h.id, data);
      this.#tell({ type: 'hold', data });
    }
    // The headline counts what waits: it follows at once.
    this.#toldAt = 0;
    this.advance(this.#progress.at);
    while (this.#holds.size > VERDICTS_SHOWN) this.#holds.delete(this.#holds.keys().next().value!);
  }

  /** At most a few times a second: the page shows a clock, not a stream. */
  advance(at: number): void {
    const millis = performance.now();
    if (millis - this.#toldAt < 300) return;
    this.#toldAt = millis;
    const held = [...this.#holds.values()].filter((h) => h.outcome === undefined).length;
    const open = this.#hub.allIncidents().filter((i) => i.severity !== 'low').length;
    const text =
      held > 0
        ? `${held} ${held === 1 ? 'command waits' : 'commands wait'} for two people.`
        : open > 0
          ? `${open} ${open === 1 ? 'incident' : 'incidents'} under way; no command waits.`
          : 'Nothing is wrong.';
    this.#progress = { phase: open > 0 ? 'attack' : 'quiet', at, speed: this.#progress.speed, text };
    this.#tell({ type: 'progress', data: this.#progress });
  }

  state(state: State): void {
    const picture = this.#hub.picture(state.at);
    if (picture === undefined) return;
    this.#grid = this.#view(picture, 'Now (estimated)', state.at);
    this.#tell({ type: 'state', data: { state, grid: this.#grid } });
  }

  ended(at: number): void {
    this.#progress = { ...this.#progress, phase: 'end', at, text: 'The input is at its end.' };
    this.#tell({ type: 'progress', data: this.#progress });
  }

  outcome(end: End): void {
    this.#end = end;
    this.#progress = { ...this.#progress, phase: 'end', text: end.text };
    this.#tell({ type: 'end', data: end });
    this.#tell({ type: 'progress', data: this.#progress });
  }

  #view(picture: GridPicture, label: string, at: number): GridView {
    const places = layoutGrid(
      picture.buses.map((b) => b.id),
      picture.branches,
    );
    return {
      label,
      at,
      buses: picture.buses.map((b) => ({ ...b, x: places.get(b.id)?.x ?? 0, y: places.get(b.id)?.y ?? 0 })),
      branches: picture.branches,
      ...(picture.loadLostShare === undefined ? {} : { loadLostShare: picture.loadLostShare }),
      text: picture.text,
    };
  }
}
