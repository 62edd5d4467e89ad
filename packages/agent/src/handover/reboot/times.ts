import { PHASES, type PhaseName } from '@exuvia/contract';
import { run } from '@exuvia/sys';
import { z } from 'zod';
import type { StepContext } from '../../kinds.ts';
import type { Timings } from '../shared/report.ts';

const timesSchema = z.record(z.string(), z.number());
type Mark = 'begin' | 'saved' | 'ended' | 'restart' | 'agent' | 'restored';

/**
 * Notes the wall clock. A reset through the firmware ends every other clock, the TSC included: times of this
 * handover are as good as the machine's real-time clock.
 */
export async function noteTime(context: StepContext, mark: Mark): Promise<void> {
  const times = timesSchema.catch({}).parse(await context.recall('times'));
  await context.remember('times', { ...times, [mark]: Date.now() });
}

/** The ten phases of a reboot; `null` when a mark is missing. */
export async function rebootTimings(context: StepContext): Promise<Timings | null> {
  const times = timesSchema.catch({}).parse(await context.recall('times'));
  const phases = phasesOf(times, await bootTimes());
  if (phases === null) return null;
  const totalMs = phases.reduce((sum, { ms }) => sum + ms, 0);
  // From the first VM's stop to the last one's resume: no VM stood still for longer.
  const pausedMs = new Map(context.plan.vms.map(({ name }) => [name, totalMs]));
  return { phases, perVm: new Map(), pausedMs, totalMs, totalIsApart: false };
}

interface BootTimes {
  /** Wall clock, ms. */
  readonly kernelStart: number;
  readonly userlandStart: number;
}

/**
 * Pure part of {@link rebootTimings}. From the outside of a reset three boundaries cannot be seen: stopping
 * the VMs is part of `VM save`; `kernel shutdown` holds services, firmware and boot loader, up to the new
 * kernel's first moment; and QEMU's start and the resume are part of `VM restore`.
 */
function phasesOf(times: Readonly<Record<string, number>>, boot: BootTimes): Timings['phases'] | null {
  const { begin, saved, ended, restart, agent, restored } = times;
  if (
    begin === undefined ||
    saved === undefined ||
    ended === undefined ||
    restart === undefined ||
    agent === undefined ||
    restored === undefined
  )
    return null;
  const ends: Record<PhaseName, number> = {
    'VM suspend': begin,
    'VM save': saved,
    'QEMU shutdown': ended,
    'userland shutdown': restart,
    'kernel shutdown': boot.kernelStart,
    'kernel startup': boot.userlandStart,
    'userland startup': agent,
    'QEMU startup': agent,
    'VM restore': restored,
    'VM resume': restored,
  };
  let at = begin;
  return PHASES.map((name) => {
    const ms = Math.max(0, ends[name] - at);
    at = Math.max(at, ends[name]);
    return { name, ms };
  });
}

/** When this boot's kernel and its userland (initramfs) began, by systemd (org.freedesktop.systemd1(5)). */
async function bootTimes(): Promise<BootTimes> {
  const { stdout } = await run('systemctl', [
    'show',
    '--property=KernelTimestamp,UserspaceTimestampMonotonic,InitRDTimestampMonotonic',
    '--timestamp=unix',
  ]);
  const value = (name: string) => Number(new RegExp(`^${name}=@?([0-9.]+)`, 'm').exec(stdout)?.[1] ?? '0');
  const uptimeMs = process.hrtime.bigint() / 1_000_000n;
  const kernelStart = Date.now() - Number(uptimeMs);
  const userlandUs = value('InitRDTimestampMonotonic') || value('UserspaceTimestampMonotonic');
  return { kernelStart, userlandStart: kernelStart + userlandUs / 1000 };
}
