import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';

/** What became of the VMs of an update that a reset has interrupted, and what to do for those that do not run. */
export async function whatBecame({ vms }: HandoverDependencies, { plan }: StepContext): Promise<string> {
  const found = await Promise.all(plan.vms.map(({ name }) => vms.get(name)));
  const halted = found.filter(({ state }) => state !== 'running');
  if (halted.length === 0) return plan.vms.length === 1 ? 'Its VM runs.' : `All ${plan.vms.length} VMs run.`;
  const kept = halted.filter(({ saved }) => saved === true).map(({ name }) => name);
  const lost = halted.filter(({ saved }) => saved !== true).map(({ name }) => name);
  const sentences = [`${plan.vms.length - halted.length} of ${plan.vms.length} VMs run.`];
  if (kept.length > 0)
    sentences.push(`The saved state is kept of: ${kept.join(', ')}; see \`exuvia recover\`.`);
  if (lost.length > 0)
    sentences.push(`No state is left of: ${lost.join(', ')}; \`exuvia vm start\` starts from the disks.`);
  return sentences.join(' ');
}
