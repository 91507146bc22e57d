import { expect, it } from 'vitest';
import { isFieldRole } from './roles.ts';

it('field devices are told from servers whose role sounds alike', () => {
  for (const role of [
    'smart-meter',
    'RTU',
    'signal-controller',
    'city-bus',
    'bus',
    'protection-relay',
    'valve',
    'camera',
  ])
    expect(isFieldRole(role), role).toBe(true);
  for (const role of ['domain-controller', 'mail-relay', 'business-pc', 'office-host', 'dns-resolver', ''])
    expect(isFieldRole(role), role).toBe(false);
});
