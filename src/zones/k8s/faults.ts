// What a reader of manifests can't use, in words. Nothing is dropped in silence: a policy that is not understood may be the
// one that closes a door.
import type { Fault } from '#findings';

const table = {
  K8S_YAML: {
    text: 'The YAML here can not be read.',
    lost: 'The objects of this document.',
    remedy: 'Mend the YAML; kubectl apply --dry-run=client says where.',
  },
  K8S_TOO_LARGE: {
    text: 'There is more than is read at once.',
    lost: 'What comes after the limit; who may reach whom is not told for it.',
    remedy: 'Read fewer files at a time, a namespace or a cluster each.',
  },
  K8S_POLICY_PART: {
    text: 'A part of a policy is not understood.',
    lost: 'That part is taken as matching nothing: an allow rule opens less, a deny rule closes less.',
    remedy: 'Check the answer for the named policy by hand.',
  },
  K8S_MIXED_OWNER: {
    text: 'Pods of one owner have different labels, and a policy tells them apart.',
    lost: 'The owner is told as reaching what any of its pods reaches.',
    remedy: 'Give the pods the same labels, or ask for single pods.',
  },
} as const;

export type K8sFaultCode = keyof typeof table;
/** Faults told; what repeats is counted. */
const FAULTS_MAX = 256;

export class K8sFaults {
  readonly #faults = new Map<string, Fault>();
  shed = 0;

  add(code: K8sFaultCode, file: string, what: string, line?: number): void {
    const key = `${code}\u0000${file}\u0000${what}`;
    const known = this.#faults.get(key);
    if (known !== undefined) {
      this.#faults.set(key, { ...known, count: (known.count ?? 1) + 1 });
      return;
    }
    if (this.#faults.size >= FAULTS_MAX) {
      this.shed++;
      return;
    }
    const { text, lost, remedy } = table[code];
    const place = line === undefined ? {} : { line };
    this.#faults.set(key, { kind: 'fault', code, file, ...place, text: `${text} ${what}`.trim(), lost, remedy });
  }

  list(): Fault[] {
    return [...this.#faults.values()];
  }
}
