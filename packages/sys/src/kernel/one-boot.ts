import { removeFromCommandLine } from './command-line.ts';

/**
 * Arguments that a boot loader or an update put on the running kernel's command line for this boot only: they say
 * nothing about the machine, and must not reach a later boot.
 */
const ONE_BOOT = [
  'BOOT_IMAGE',
  'initrd',
  'exuvia.update',
  'exuvia.fallback',
  'exuvia.crash',
  'tsc_early_khz',
  'lpj',
];

export function withoutOneBoot(args: readonly string[]): string[] {
  return ONE_BOOT.reduce((kept: readonly string[], name) => removeFromCommandLine(kept, name), args).slice();
}
