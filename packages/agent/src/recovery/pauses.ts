import type { Report } from '@exuvia/contract';
import type { UpdateState } from '../journal/index.ts';

/**
 * The report of an update that a reset has interrupted, which no other clock than the real-time clock outlives: VMs that
 * run again stood still from the first step that stopped one until now, at most. A pause that was measured stays. Pure.
 */
export function withPauses(
  report: Report,
  { plan, begun }: Pick<UpdateState, 'plan' | 'begun'>,
  now: Date,
): Report {
  const stopping = plan.steps.find(({ name, phase }) => phase !== null && begun[name] !== undefined);
  const pausedMs = now.getTime() - Date.parse(begun[stopping?.name ?? ''] ?? '');
  // No step has stopped a VM; or the clock was set back.
  if (!(pausedMs > 0)) return report;
  const vms = report.vms.map((vm) =>
    vm.outcome === 'running' && vm.pausedMs === null ? { ...vm, pausedMs } : vm,
  );
  return { ...report, vms };
}
