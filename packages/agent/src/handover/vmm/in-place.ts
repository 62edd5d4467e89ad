import { writeFile } from 'node:fs/promises';
import type { Plan } from '@exuvia/contract';
import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from '../shared/attempt.ts';
import { recordFile } from './layout.ts';

/** Replaces the QEMU of a VM that cannot be transferred, by the plan's method. */
export async function replace(
  dependencies: Pick<HandoverDependencies, 'vms'>,
  context: StepContext,
  { name, method }: Pick<Plan['vms'][number], 'name' | 'method'>,
  binary: string,
): Promise<void> {
  if (method === 'cpr-exec') await replaceByExec(dependencies, context, name, binary);
  else await replaceInPlace(dependencies, context, name, binary);
}

/**
 * Replaces a VM's QEMU where the two do not understand each other's cpr-transfer: the device state is saved beside the
 * memory, the old QEMU ends, the new one loads it. The guest stands still meanwhile, QEMU's start included. When the new
 * one cannot load it, the old one takes it up again.
 *
 * When the agent dies in it, {@link settleVm} does the rest: the saved state lies in the store.
 */
async function replaceInPlace(
  { vms }: Pick<HandoverDependencies, 'vms'>,
  context: StepContext,
  name: string,
  binary: string,
): Promise<void> {
  const times = [now()];
  try {
    await vms.saveInPlace(name);
    times.push(now());
    await context.pass(`switch-vms/${name}`, 'after');
    await vms.endSaved(name);
    times.push(now());
    await vms.restoreInPlace(name, { binary });
    times.push(now());
  } catch (error) {
    await takeUp(vms, name);
    throw error;
  }
  await keepTimes(context, name, times);
}

/** Replaces a VM's QEMU by letting it execute the other one; its process stays. */
async function replaceByExec(
  { vms }: Pick<HandoverDependencies, 'vms'>,
  context: StepContext,
  name: string,
  binary: string,
): Promise<void> {
  const begin = now();
  try {
    await vms.successors.exec(name, binary);
  } catch (error) {
    await takeUp(vms, name);
    throw error;
  }
  await keepTimes(context, name, [begin, begin, begin, now()]);
}

/** Its VM runs: that its times cannot be written does not undo it. */
async function keepTimes(context: StepContext, name: string, times: readonly number[]): Promise<void> {
  await attempt(context, `The times of VM ${name} are not kept`, () =>
    writeFile(recordFile(context, name), `in-place ${times.join(' ')}\n`, { mode: 0o600 }),
  );
}

/** Brings a VM back that an interrupted change of QEMU left without one, or paused. Idempotent. */
export async function settleVm(
  { vms }: Pick<HandoverDependencies, 'vms'>,
  name: string,
  binary: string,
): Promise<'new' | 'old' | 'lost'> {
  const vm = await vms.get(name);
  if (vm.saved !== true) return vms.successors.settle(name, binary);
  try {
    await vms.restoreInPlace(name, { binary });
    return 'new';
  } catch {
    await vms.restoreInPlace(name);
    return 'old';
  }
}

/** In the QEMU that it was saved by: that one has proved that it can run it. */
async function takeUp(vms: HandoverDependencies['vms'], name: string): Promise<void> {
  const { pid } = await vms.get(name);
  if (pid === null) await vms.restoreInPlace(name);
  else await vms.resume(name);
}

function now(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}
