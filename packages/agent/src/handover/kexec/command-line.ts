import { commandLineValue, joinCommandLine, splitCommandLine, withoutOneBoot } from '@exuvia/sys';
import { UPDATE_ARGUMENT } from './arrival.ts';

/** A new kernel that panics resets the machine instead of standing still, unless the administrator said otherwise. */
const PANIC = 'panic=10';

/**
 * The command line for the new kernel: that of the running one, without what belongs to one boot only.
 *
 * `tsc_early_khz` saves the calibration (Linux arch/x86/kernel/tsc.c); the kernel refines the value later all
 * the same. `lpj`, which follows from it and the kernel's ticks a second, saves the delay loop's on every CPU that does
 * not take it over from a sibling (init/calibrate.c), unless the TSC is not to be used. `quiet` keeps a serial console off the blackout path, `cryptomgr.notests` the self-tests of ciphers
 * (Linux crypto/algboss.c; an ordinary boot runs them again), unless `fips` requires them.
 *
 * @param running /proc/cmdline
 * @param clock.tscKhz measured frequency of the TSC; `null` when it is not known
 * @param clock.hz ticks a second of the new kernel (CONFIG_HZ); `null` when it is not known
 */
export function nextCommandLine(
  running: string,
  update: string,
  { tscKhz, hz }: { readonly tscKhz: number | null; readonly hz: number | null },
  further: readonly string[],
): string {
  const kept = withoutOneBoot(splitCommandLine(running.trim())).filter(
    (argument) => !further.includes(argument),
  );
  const quiet = commandLineValue(kept, 'quiet') === null ? ['quiet'] : [];
  const tested = ['cryptomgr.notests', 'fips'].some((name) => commandLineValue(kept, name) !== null);
  const notests = tested ? [] : ['cryptomgr.notests'];
  const tsc = tscKhz === null ? [] : [`tsc_early_khz=${Math.round(tscKhz)}`];
  const trusted = [...kept, ...further].every((argument) => !/^(notsc|tsc=.*)$/.test(argument));
  const lpj =
    tscKhz === null || hz === null || !trusted ? [] : [`lpj=${Math.round((Math.round(tscKhz) * 1000) / hz)}`];
  const panic = [...kept, ...further].some((argument) => argument.startsWith('panic=')) ? [] : [PANIC];
  return joinCommandLine([
    ...kept,
    ...quiet,
    ...notests,
    ...tsc,
    ...lpj,
    ...panic,
    ...further,
    `${UPDATE_ARGUMENT}=${update}`,
  ]);
}
