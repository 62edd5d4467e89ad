import { readIfExists } from '../files/read.ts';

export interface ClockFacts {
  /** The TSC runs at one rate whatever the CPU does. */
  readonly constantTsc: boolean;
  /** The TSC runs on in deep sleep states. */
  readonly nonstopTsc: boolean;
  readonly clocksource: string | null;
}

/** Facts that decide whether the TSC can measure time through a kexec. */
export async function clockFacts(): Promise<ClockFacts> {
  const flags = parseCpuFlags((await readIfExists('/proc/cpuinfo')) ?? '');
  const source = await readIfExists('/sys/devices/system/clocksource/clocksource0/current_clocksource');
  return {
    constantTsc: flags.has('constant_tsc'),
    nonstopTsc: flags.has('nonstop_tsc'),
    clocksource: source?.trim() ?? null,
  };
}

/** Feature flags of the first CPU in /proc/cpuinfo. */
export function parseCpuFlags(cpuinfo: string): ReadonlySet<string> {
  return new Set(/^flags\s*:\s*(.*)$/m.exec(cpuinfo)?.[1]?.split(/\s+/) ?? []);
}
