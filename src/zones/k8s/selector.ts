// Label selectors (apimachinery, LabelSelector): all of matchLabels and matchExpressions must hold; an empty one selects all.
import { at, list, object, text } from './plain.ts';

export type Labels = ReadonlyMap<string, string>;
interface Requirement {
  readonly key: string;
  readonly operator: string;
  readonly values: readonly string[];
}
/** Requirements that must all hold. */
export type Selector = readonly Requirement[];

/** @returns undefined where no selector is written; absent and empty mean different things in a peer */
export function readSelector(value: unknown): Selector | undefined {
  if (value === undefined || value === null) return undefined;
  const equal = Object.entries(object(at(value, 'matchLabels'))).map(([key, v]) => ({
    key,
    operator: 'In',
    values: [text(v)],
  }));
  const expressions = list(at(value, 'matchExpressions')).map((e) => ({
    key: text(at(e, 'key')),
    operator: text(at(e, 'operator')),
    values: list(at(e, 'values')).map(text),
  }));
  return [...equal, ...expressions];
}

export function selects(selector: Selector, labels: Labels): boolean {
  return selector.every(({ key, operator, values }) => {
    const value = labels.get(key);
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value);
      // Objects without the key are selected too (apimachinery, LabelSelectorOperator).
      case 'NotIn':
        return value === undefined || !values.includes(value);
      case 'Exists':
        return value !== undefined;
      case 'DoesNotExist':
        return value === undefined;
      default:
        return false;
    }
  });
}
