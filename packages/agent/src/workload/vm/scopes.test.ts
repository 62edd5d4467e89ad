import { expect, test } from 'vitest';
import { scopeProperties } from './scopes.ts';

test('limits are properties of the scope, for systemd-run and for systemd’s bus', () => {
  expect(scopeProperties({ cpuWeight: 200, cpuQuota: '150%', memoryHigh: '1G' })).toEqual([
    { name: 'CPUWeight', text: '200', busName: 'CPUWeight', value: 200n },
    { name: 'CPUQuota', text: '150%', busName: 'CPUQuotaPerSecUSec', value: 1_500_000n },
    { name: 'MemoryHigh', text: '1073741824', busName: 'MemoryHigh', value: 1_073_741_824n },
  ]);
  expect(scopeProperties({})).toEqual([]);
});
