import { expect, test } from 'vitest';
import { parseRecord, verdictOf } from './accelerator.ts';

test('KVM is taken only when its guest has run and can run VMs of its own', () => {
  expect(verdictOf('EXUVIA-PROBE-OK\r\nEXUVIA-PROBE-NESTED\r\nreboot: Power down')).toBe('kvm');
  expect(verdictOf('EXUVIA-PROBE-OK\r\nreboot: Power down')).toBe('tcg');
  expect(verdictOf('Kernel panic')).toBe('tcg');
});

test('an answer holds for the machine, program and time that it was given for', () => {
  const record = JSON.stringify({ key: 'k', accelerator: 'tcg', until: 1000 });
  expect(parseRecord(record, 'k', 999)).toBe('tcg');
  expect(parseRecord(record, 'k', 1000)).toBe(null);
  expect(parseRecord(record, 'other', 999)).toBe(null);
  expect(parseRecord('{"key":"k","accelerator":"tcg"}', 'k', 0)).toBe(null);
  expect(parseRecord(null, 'k', 0)).toBe(null);
});
