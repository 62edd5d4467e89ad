import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { ExuviaError } from '@exuvia/contract';
import { BUILD, ROOT } from './paths.ts';

/** The native programs that belong on a host. Others in native/ are for the lab and its guests. */
const PROGRAMS = [
  'exuvia-clock',
  'exuvia-early-restore',
  'exuvia-guest-stop',
  'exuvia-launch',
  'exuvia-pause',
  'exuvia-transfer',
] as const;

/**
 * Builds the native programs; make rebuilds only what changed.
 *
 * @returns their files, absolute.
 * @throws ExuviaError `native-build` when make fails, `native-missing` when a program has no source.
 */
export function buildNative(): string[] {
  try {
    execFileSync('make', ['-C', path.join(ROOT, 'native'), '--no-print-directory', '--quiet'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  } catch (cause) {
    throw new ExuviaError('native-build', 'make -C native failed; its own messages are above.', {
      cause,
      hint: 'A C compiler and make are needed: apt-get install gcc libc6-dev make',
    });
  }
  const files = PROGRAMS.map((name) => path.join(BUILD, 'native', name));
  const missing = files.filter((file) => !existsSync(file));
  if (missing.length > 0) {
    const names = missing.map((file) => path.basename(file)).join(', ');
    throw new ExuviaError('native-missing', `make -C native did not build ${names}.`, {
      hint: 'Each needs a source in native/ and a target in native/Makefile.',
    });
  }
  return files;
}
