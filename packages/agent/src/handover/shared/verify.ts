import type { Report, Vm } from '@exuvia/contract';
import type { StepContext } from '../../kinds.ts';
import { setClockOf } from '../../workload/guest-clock.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { heartbeatAfter } from './heartbeats.ts';

/** What the agent knows of a VM after an update. */
export type VerifiedVm = Pick<
  Report['vms'][number],
  'name' | 'outcome' | 'bootIdSame' | 'heartbeatContinued' | 'clock'
>;

/**
 * Verifies that every VM of the plan runs and, where it has a heartbeat page, that it is the same boot of the
 * same guest and that its heart beats on. Sets the wall clocks of guests that have an agent: they stood still meanwhile.
 */
export async function verifyVms(
  dependencies: HandoverDependencies,
  context: StepContext,
): Promise<VerifiedVm[]> {
  return Promise.all(context.plan.vms.map(({ name }) => verifyVm(dependencies, context, name)));
}

async function verifyVm(
  dependencies: HandoverDependencies,
  context: StepContext,
  name: string,
): Promise<VerifiedVm> {
  const found = await whatIsThere(dependencies, context, name);
  const runs = found.outcome === 'running';
  // Without it the report says by how much the clock is behind.
  return {
    ...found,
    clock: runs ? await setClockOf(dependencies.vms, name, (message) => context.log(message)) : null,
  };
}

async function whatIsThere(
  dependencies: HandoverDependencies,
  context: StepContext,
  name: string,
): Promise<Omit<VerifiedVm, 'clock'>> {
  const vm: Vm = await dependencies.vms.get(name);
  if (vm.state !== 'running') {
    const outcome = vm.state === 'paused' ? 'paused' : 'lost';
    return { name, outcome, bootIdSame: null, heartbeatContinued: null };
  }
  const heart = await heartbeatAfter(dependencies, context, name);
  return { name, outcome: heart.bootIdSame === false ? 'lost' : 'running', ...heart };
}
