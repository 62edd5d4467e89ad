import { commandLineValue, joinCommandLine, removeFromCommandLine, splitCommandLine } from '@exuvia/sys';
import { FALLBACK_ARGUMENT, UPDATE_ARGUMENT } from './arrival.ts';

/** Arguments that a boot loader or an earlier update put there and that say nothing about the machine. */
const TRANSIENT = [
  'BOOT_IMAGE',
  'initrd',
  UPDATE_ARGUMENT,
  FALLBACK_ARGUMENT,
  'exuvia.crash',
  'tsc_early_khz',
];

/** A new kernel that panics resets the machine instead of standing still, unless the administrator said otherwise. */
const PANIC = 'panic=10';

/**
 * The command line for the new kernel: that of the running one, without what belongs to one boot only.
 *
 * `tsc_early_khz` saves the calibration (Linux arch/x86/kernel/tsc.c); the kernel refines the value later all
 * the same. `quiet` keeps a serial console off the blackout path, `cryptomgr.notests` the self-tests of ciphers
 * (Linux crypto/algboss.c; an ordinary boot runs them again), unless `fips` requires them.
 *
 * @param running /proc/cmdline
 * @param tscKhz measured frequency of the TSC; `null` when it is not known
 */
export function nextCommandLine(
  running: string,
  update: string,
  tscKhz: number | null,
  further: readonly string[],
): string {
  const kept = TRANSIENT.reduce(
    (args: readonly string[], name) => removeFromCommandLine(args, name),
    splitCommandLine(running.trim()),
  ).filter((argument) => !further.includes(argument));
  const quiet = commandLineValue(kept, 'quiet') === null ? ['quiet'] : [];
  const tested = ['cryptomgr.notests', 'fips'].some((name) => commandLineValue(kept, name) !== null);
  const notests = tested ? [] : ['cryptomgr.notests'];
  const tsc = tscKhz === null ? [] : [`tsc_early_khz=${Math.round(tscKhz)}`];
  const panic = [...kept, ...further].some((argument) => argument.startsWith('panic=')) ? [] : [PANIC];
  return joinCommandLine([
    ...kept,
    ...quiet,
    ...notests,
    ...tsc,
    ...panic,
    ...further,
    `${UPDATE_ARGUMENT}=${update}`,
  ]);
}
