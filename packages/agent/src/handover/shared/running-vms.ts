import { ExuviaError, type Vm } from '@exuvia/contract';
import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';

/** The VMs of the plan, all of which must run now. */
export async function runningVms(
  { vms }: Pick<HandoverDependencies, 'vms'>,
  plan: StepContext['plan'],
): Promise<Vm[]> {
  const found = await Promise.all(plan.vms.map(({ name }) => vms.get(name)));
  const halted = found.find(({ state }) => state !== 'running');
  if (halted === undefined) return found;
  throw new ExuviaError('vm-not-running', `VM ${halted.name} is ${halted.state}, no longer running.`, {
    hint: 'Make a new plan.',
  });
}
