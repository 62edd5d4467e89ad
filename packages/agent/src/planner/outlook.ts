import { type Check, type Doctor, type Host, passes, type Vm } from '@exuvia/contract';
import type { Handover, PlanTarget } from '../kinds.ts';
import { plannedVms, withoutRepeats } from './build.ts';
import { lookInto } from './prospect.ts';

/**
 * The doctor's findings with what the handovers themselves would find for an update that brings nothing new: what a plan
 * would refuse is said before one is made. Not of `vmm`, which can say nothing without the QEMU to move into.
 */
export async function outlook(
  doctor: Doctor,
  handovers: Iterable<Handover>,
  { host, vms }: { readonly host: Host; readonly vms: readonly Vm[] },
): Promise<Doctor> {
  const target: PlanTarget = { kernel: host.kernel, qemu: null, modules: [], method: null };
  const running = new Set(plannedVms(vms).map(({ name }) => name));
  const found = { doctor, pastReports: [], host, vms: vms.filter(({ name }) => running.has(name)) };
  let checks: readonly Check[] = doctor.checks;
  const own = new Map<string, readonly Check[]>();
  for (const handover of handovers) {
    const prospect = await lookInto(handover, target, found);
    if (prospect.checks === null) continue;
    own.set(handover.kind, prospect.checks);
    checks = [...checks, ...prospect.checks];
  }
  return {
    checks: withoutRepeats(checks),
    handovers: doctor.handovers.map((verdict) => {
      const looked = own.get(verdict.handover);
      return looked === undefined
        ? verdict
        : { handover: verdict.handover, possible: passes(looked), reasons: reasonsIn(looked) };
    }),
  };
}

function reasonsIn(checks: readonly Check[]): string[] {
  return checks
    .filter(({ verdict }) => verdict === 'fail')
    .map(({ subject, reason }) => (subject === 'host' ? reason : `VM ${subject}: ${reason}`));
}
