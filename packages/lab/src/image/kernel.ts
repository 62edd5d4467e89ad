import { ExuviaError } from '@exuvia/contract';
import type { Pins } from './packages.ts';

/**
 * The kernel of an image that is meant.
 *
 * @param wanted a release, or the beginning of one up to a dot.
 * @throws ExuviaError `kernel-unknown`.
 */
export function kernelOf({ kernels }: Pins, wanted: string): string {
  const releases = Object.values(kernels);
  const found = releases.find((release) => release === wanted || release.startsWith(`${wanted}.`));
  if (found !== undefined) return found;
  throw new ExuviaError('kernel-unknown', `The lab host has no kernel ${wanted}.`, {
    hint: `It has ${releases.join(' and ')}.`,
  });
}
