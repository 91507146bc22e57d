import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packColumn, unpackColumn } from './index.ts';

describe('columns as text', () => {
  it('come back bit for bit, also through JSON and from a view', () => {
    fc.assert(
      fc.property(fc.float64Array(), (column) => {
        const view = new Float64Array(column.length + 2).subarray(1, column.length + 1);
        view.set(column);
        const back = new Float64Array(column.length);
        unpackColumn(JSON.parse(JSON.stringify(packColumn(view))), back);
        expect(back).toEqual(column);
      }),
      { seed: 1 },
    );
  });
  it('of another length, or none, are refused', () => {
    const text = packColumn(new Uint32Array(4));
    expect(() => unpackColumn(text, new Uint32Array(5))).toThrow();
    expect(() => unpackColumn(text, new Uint32Array(3))).toThrow();
    expect(() => unpackColumn(undefined, new Uint32Array(3))).toThrow();
  });
});
