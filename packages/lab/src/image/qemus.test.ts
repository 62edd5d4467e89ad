import { expect, test } from 'vitest';
import { newQemuOf, upstreamVersion } from './qemus.ts';

test('the newer QEMU is asked for by the version that it has upstream', () => {
  expect(upstreamVersion('1:11.1.3+ds-1~bpo13+1')).toBe('11.1.3');
  expect(upstreamVersion('1:12.0.0~rc2+ds-1~bpo13+1')).toBe('12.0.0');
  expect(newQemuOf({ newQemu: '11.1.3' })).toBe('11.1.3');
  expect(() => newQemuOf({ newQemu: null })).toThrow('This lab host has one QEMU only.');
});
