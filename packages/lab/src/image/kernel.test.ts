import { expect, test } from 'vitest';
import { kernelOf } from './kernel.ts';
import type { Pins } from './packages.ts';

const pins: Pins = {
  kernels: { old: '6.12.107+deb13-cloud-amd64', new: '7.2.6+deb13-cloud-amd64' },
  newQemu: null,
};

test('a kernel is named by its release, or by the beginning of it', () => {
  expect(kernelOf(pins, '6.12')).toBe(pins.kernels.old);
  expect(kernelOf(pins, '7')).toBe(pins.kernels.new);
  expect(kernelOf(pins, pins.kernels.new)).toBe(pins.kernels.new);
});

test.each(['6.1', '7.20', '8'])('a kernel %s, which the image does not have, is refused', (wanted) => {
  expect(() => kernelOf(pins, wanted)).toThrow(
    expect.objectContaining({
      code: 'kernel-unknown',
      message: `The lab host has no kernel ${wanted}.`,
      hint: 'It has 6.12.107+deb13-cloud-amd64 and 7.2.6+deb13-cloud-amd64.',
    }),
  );
});
