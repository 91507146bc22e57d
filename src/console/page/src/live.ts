// The page's copy of the state: taken whole once, then kept by server-sent events. When the connection drops the page
// keeps showing what it had and says so; on `reset`, or after a restart of the server, it takes the whole state again.
import type {
  WireAction,
  WireCoverage,
  WireDecision,
  WireEnd,
  WireFinding,
  WireGrid,
  WireHold,
  WireIncident,
  WireProgress,
  WireSnapshot,
  WireTrust,
  WireVerdict,
} from './wire.ts';

/** Findings and verdicts the page keeps; older ones are still to be had by id. */
const FINDINGS_MAX = 5_000;
const VERDICTS_MAX = 500;
const ACTIONS_MAX = 500;
const COVERAGE_MAX = 500;
/** Changes are shown together, at most this often. */
const PAINT_MS = 120;
const AGAIN_MS = 2_000;

export type Link = 'connecting' | 'live' | 'lost';

export interface PageState {
  readonly link: Link;
  readonly loaded: boolean;
  readonly city: string;
  readonly progress: WireProgress | undefined;
  readonly incidents: ReadonlyMap<string, WireIncident>;
  readonly findings: ReadonlyMap<string, WireFinding>;
  readonly trust: ReadonlyMap<string, WireTrust>;
  readonly holds: ReadonlyMap<string, WireHold>;
  readonly verdicts: ReadonlyMap<string, WireVerdict>;
  readonly grid: WireGrid | undefined;
  readonly end: WireEnd | undefined;
  readonly people: readonly string[];
  readonly actions: ReadonlyMap<string, WireAction>;
  readonly consumers: readonly string[];
  /** By plane and what. */
  readonly coverage: ReadonlyMap<string, WireCoverage>;
  readonly responds: boolean;
}

const empty: PageState = {
  link: 'connecting',
  loaded: false,
  city: '',
  progress: undefined,
  incidents: new Map(),
  findings: new Map(),
  trust: new Map(),
  holds: new Map(),
  verdicts: new Map(),
  grid: undefined,
  end: undefined,
  people: [],
  actions: new Map(),
  consumers: [],
  coverage: new Map(),
  responds: false,
};

export class Live {
  state: PageState = empty;
  #token = '';
  #events: EventSource | undefined;
  #painting = false;
  readonly #paint: (state: PageState) => void;

  constructor(paint: (state: PageState) => void) {
    this.#paint = paint;
  }

  async start(): Promise<void> {
    const last = await this.#take();
    if (last === undefined) {
      setTimeout(() => void this.start(), AGAIN_MS);
      return;
    }
    this.#events?.close();
    const events = new EventSource(`/api/events?since=${encodeURIComponent(last)}`);
    this.#events = events;
    events.onopen = () => this.#set({ link: 'live' });
    events.onerror = () => {
      this.#set({ link: 'lost' });
      // A stream that was answered with an error is not tried again by the browser.
      if (events.readyState === EventSource.CLOSED) setTimeout(() => void this.start(), AGAIN_MS);
    };
    const on = <T>(type: string, take: (data: T) => void): void =>
      events.addEventListener(type, (e) => take(JSON.parse((e as MessageEvent<string>).data) as T));
    on<WireFinding>('finding', (f) => this.#set({ findings: put(this.state.findings, f.id, f, FINDINGS_MAX) }));
    on<WireIncident>('incident', (i) => this.#set({ incidents: put(this.state.incidents, i.id, i) }));
    on<WireTrust>('trust', (t) => this.#set({ trust: put(this.state.trust, t.asset, t) }));
    on<WireVerdict>('verdict', (v) => this.#set({ verdicts: put(this.state.verdicts, v.id, v, VERDICTS_MAX) }));
    on<WireHold>('hold', (h) => this.#set({ holds: put(this.state.holds, h.id, h) }));
    on<{ grid?: WireGrid }>('state', (s) => s.grid !== undefined && this.#set({ grid: s.grid }));
    on<WireProgress>('progress', (progress) => this.#set({ progress }));
    on<WireEnd>('end', (end) => this.#set({ end }));
    on<WireAction>('action', (a) => this.#set({ actions: put(this.state.actions, a.id, a, ACTIONS_MAX) }));
    on<WireCoverage>('coverage', (c) =>
      this.#set({ coverage: put(this.state.coverage, coverageKey(c), c, COVERAGE_MAX) }),
    );
    on('reset', () => void this.#take());
  }

  /** Takes the whole state; gives the id of the last event in it, or undefined where the server can't be reached. */
  async #take(): Promise<string | undefined> {
    try {
      const answer = await fetch('/api/state', { cache: 'no-store' });
      if (!answer.ok) throw new Error(answer.statusText);
      const s = (await answer.json()) as WireSnapshot;
      this.#token = s.token;
      this.#set({
        link: 'live',
        loaded: true,
        city: s.city,
        progress: s.progress,
        incidents: new Map(s.incidents.map((i) => [i.id, i])),
        findings: new Map(s.findings.map((f) => [f.id, f])),
        trust: new Map(s.trust.map((t) => [t.asset, t])),
        holds: new Map(s.holds.map((h) => [h.id, h])),
        verdicts: new Map(s.verdicts.map((v) => [v.id, v])),
        grid: s.grid,
        end: s.end,
        people: s.people ?? [],
        actions: new Map(s.actions.map((a) => [a.id, a])),
        consumers: s.consumers,
        coverage: new Map(s.coverage.map((c) => [coverageKey(c), c])),
        responds: s.responds,
      });
      return s.last;
    } catch {
      this.#set({ link: 'lost' });
      return undefined;
    }
  }

  decide(hold: WireHold, answer: 'release' | 'refuse', person: string): Promise<WireDecision> {
    const digest = hold.digest === undefined ? {} : { digest: hold.digest };
    return this.#answer(`/api/holds/${encodeURIComponent(hold.id)}/${answer}`, { person, ...digest });
  }

  /** The records go along, so that what the person read is what is done. */
  respond(action: WireAction, answer: 'enforce' | 'undo', person: string): Promise<WireDecision> {
    const records = action.records.map((r) => r.record);
    return this.#answer(`/api/actions/${encodeURIComponent(action.id)}/${answer}`, { person, records });
  }

  async #answer(path: string, body: object): Promise<WireDecision> {
    try {
      const response = await fetch(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-parapet-token': this.#token },
        body: JSON.stringify(body),
      });
      return (await response.json()) as WireDecision;
    } catch {
      return { accepted: false, text: 'The console could not be reached. Nothing was sent; try again.' };
    }
  }

  /** A finding by id, from here or from the server. */
  async finding(id: string): Promise<WireFinding | undefined> {
    const known = this.state.findings.get(id);
    if (known !== undefined) return known;
    try {
      const response = await fetch(`/api/findings/${encodeURIComponent(id)}`);
      return response.ok ? ((await response.json()) as WireFinding) : undefined;
    } catch {
      return undefined;
    }
  }

  #set(change: Partial<PageState>): void {
    this.state = { ...this.state, ...change };
    if (this.#painting) return;
    this.#painting = true;
    setTimeout(() => {
      this.#painting = false;
      this.#paint(this.state);
    }, PAINT_MS);
  }
}

function coverageKey(c: WireCoverage): string {
  return `${c.plane} ${c.what}`;
}

function put<T>(map: ReadonlyMap<string, T>, key: string, value: T, most = Infinity): ReadonlyMap<string, T> {
  const next = new Map(map);
  next.set(key, value);
  if (next.size > most) next.delete(next.keys().next().value!);
  return next;
}
