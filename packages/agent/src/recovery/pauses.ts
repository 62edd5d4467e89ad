import type { Report } from '@exuvia/contract';
import type { UpdateState } from '../journal/index.ts';

/**
 * The report of an update that a reset has interrupted, which no other clock than the real-time clock outlives: VMs that
 * run again stood still from the first step that stopped one until now, at most. Nothing is added to one whose pauses were
 * measured. Pure.
 */
export function withPauses(
  report: Report,
  { plan, begun }: Pick<UpdateState, 'plan' | 'begun'>,
  now: Date,
): Report {
  const stopping = plan.steps.find(({ name, phase }) => phase !== null && begun[name] !== undefined);
  const pausedMs = now.getTime() - Date.parse(begun[stopping?.name ?? ''] ?? '');
  // No step has stopped a VM; or the clock was set back.
  if (report.phases.length > 0 || !(pausedMs > 0)) return report;
  return {
    ...report,
    vms: report.vms.map((vm) => (vm.outcome === 'running' ? { ...vm, pausedMs } : vm)),
  };
}
