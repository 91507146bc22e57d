// What left, or was carried on, as a finding that is told again while it grows.
import { evidenceOf, type FlowBatch } from '#events';
import type { Subject } from '#findings';
import { assetOf, type Claim, findingOf } from '../claim.ts';
import type { DetectorContext } from '../contract.ts';
import { type Told, ToldByKey } from '../told.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card, PASSED_MAX } from './card.ts';

interface ToldLeak extends Told {
  readonly subject: Subject;
  readonly leakedAtAlert: number;
}

export type Leak = Pick<Claim, 'subject' | 'bits' | 'reasons' | 'title' | 'techniques' | 'response'> & {
  readonly key: string;
  readonly ip: string;
  readonly firstPlace: number;
  /** 0 where nothing left the city. */
  readonly leakedBytes: number;
  readonly links: readonly string[];
};

export class Claims {
  readonly told = new ToldByKey<ToldLeak>(PASSED_MAX);
  readonly #context: DetectorContext;

  constructor(context: DetectorContext) {
    this.#context = context;
  }

  claim(batch: FlowBatch, i: number, leak: Leak): void {
    const { subject, firstPlace, leakedBytes, bits, title, techniques, reasons, response, links } = leak;
    const at = Math.max(batch.at[i]!, batch.lastAt[i]!);
    const place = batch.place[i]!;
    const told = this.told.tell(leak.key, {
      subject,
      origin: { file: batch.origin.file, placed: batch.origin.placed },
      firstPlace,
      decisivePlace: place,
      alertAt: at,
      firstAt: batch.firstAt[i]!,
      leakedAtAlert: leakedBytes,
      bits,
    });
    const evidence = [...new Set([told.firstPlace, told.decisivePlace])].map((p) => evidenceOf(told.origin, p));
    if (place !== told.decisivePlace || batch.origin.file !== told.origin.file)
      evidence.push(evidenceOf(batch.origin, place));
    this.#context.claim(
      findingOf(card, calibration, {
        title,
        bits: told.bits,
        asset: assetOf(this.#context.city, leak.ip),
        subject,
        firstAt: told.firstAt,
        at: told.alertAt,
        lastAt: at,
        ...(leakedBytes > 0 ? { leakedBytes, leakedBytesAtAlert: told.leakedAtAlert } : {}),
        techniques,
        reasons,
        evidence,
        count: evidence.length,
        response,
        links,
      }),
    );
  }
}
