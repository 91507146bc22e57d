import { expect, it } from 'vitest';
import { canonicalDomain, isUnder } from './index.ts';

it('is under a zone on dot boundaries only', () => {
  const zones = ['Example.COM.', ''].map(canonicalDomain);
  expect(zones).toEqual(['example.com', '']);
  for (const name of ['example.com', 'a.example.com', 'b.a.example.com']) expect(isUnder(name, zones), name).toBe(true);
  for (const name of ['', 'com', 'badexample.com', 'example.com.evil.net', 'example.co'])
    expect(isUnder(name, zones), name).toBe(false);
});
