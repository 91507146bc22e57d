// One client and one registered domain, of which a name turned inward.
import type { Origin } from '#events';

const SHOWN_MAX = 8;
const EVIDENCE_MAX = 500;

export interface Sighting {
  readonly origin: Origin;
  readonly place: number;
}

/** What one answer, with what was known before it, said. */
export interface Turn {
  readonly name: string;
  readonly inside: string;
  readonly outside: string;
  /** One of `Place`; `Public` where the address is the city's own though public. */
  readonly place: number;
  /** Lowest lifetime of the two answers, seconds; -1 where neither tells. */
  readonly ttlSeconds: number;
  /** Both addresses stood in one answer. */
  readonly together: boolean;
  readonly sameServer: boolean;
  /** The name spells the inside address. */
  readonly named: boolean;
  /** The inside address is an asset of city.yaml. */
  readonly asset: string;
}

export class Suspect {
  client: number[];
  zone: string;
  /** The answer with the strongest evidence. */
  turn: Turn;
  turns = 0;
  names: string[] = [];
  inside: string[] = [];
  outside: string[] = [];
  firstAt: number;
  lastAt: number;
  alertAt = 0;
  first: Sighting;
  decisive: Sighting;
  last: Sighting;
  evidence: Sighting[] = [];
  bits = Number.NEGATIVE_INFINITY;
  /** 0 nothing claimed, 1 low, 2 medium, 3 high. */
  claimed = 0;
  id = '';

  constructor(client: number[], zone: string, turn: Turn, at: number, first: Sighting) {
    this.client = client;
    this.zone = zone;
    this.turn = turn;
    this.firstAt = at;
    this.lastAt = at;
    this.first = first;
    this.decisive = first;
    this.last = first;
  }

  add(turn: Turn, at: number, here: Sighting, evidenceAll: boolean): void {
    this.turns += 1;
    note(this.names, turn.name);
    note(this.inside, turn.inside);
    note(this.outside, turn.outside);
    if (at > this.lastAt) this.lastAt = at;
    this.last = here;
    if (evidenceAll && this.evidence.length < EVIDENCE_MAX) this.evidence.push(here);
  }
}

function note(list: string[], text: string): void {
  if (list.length < SHOWN_MAX && !list.includes(text)) list.push(text);
}
