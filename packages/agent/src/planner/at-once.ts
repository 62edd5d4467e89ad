import { availableParallelism } from 'node:os';
import { type Check, expandCpuList, type HandoverKind, type PlanRequest } from '@exuvia/contract';

/** A move keeps two processors busy: one QEMU writes the state that the other one reads. */
const PROCESSORS_A_MOVE = 2;

/** How many processors VMs may run on; `vmCpus` is that of agent.yaml. */
export function vmProcessors(vmCpus: string | undefined): number {
  return vmCpus === undefined ? availableParallelism() : expandCpuList(vmCpus).length;
}

/**
 * How many VMs change their QEMU at once: as many as are asked for, and no more than processors can serve. VMs that
 * share one would all stand still until the last of them has been moved; one after the other, each stands still for its
 * own move only. Pure.
 */
export function atOnce({ parallel = 1 }: Pick<PlanRequest, 'parallel'>, processors: number): number {
  return Math.max(1, Math.min(parallel, Math.floor(processors / PROCESSORS_A_MOVE)));
}

/** Says so where it is fewer than asked for. Pure. */
export function atOnceChecks(
  kind: HandoverKind,
  request: Pick<PlanRequest, 'parallel'>,
  { processors, vms }: { readonly processors: number; readonly vms: number },
): Check[] {
  const wanted = Math.min(request.parallel ?? 1, vms);
  const served = atOnce(request, processors);
  if (kind !== 'vmm' || wanted <= served) return [];
  const few = processors === 1 ? 'one processor' : `${processors} processors`;
  return [
    {
      id: 'parallel',
      subject: 'host',
      verdict: 'warn',
      reason: `${served === 1 ? 'One VM is' : `${served} VMs are`} moved at a time, not ${wanted}: VMs may run on ${few}, and a move keeps two busy.`,
    },
  ];
}
