import { type Check, type Doctor, type Host, passes, reasonOf, type Vm } from '@exuvia/contract';
import { compareReleases } from '@exuvia/sys';
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
  const target: PlanTarget = { kernel: someKernel(host), qemu: null, modules: [], method: null };
  const running = new Set(plannedVms(vms).map(({ name }) => name));
  const found = { doctor, pastReports: [], host, vms: vms.filter(({ name }) => running.has(name)) };
  let checks: readonly Check[] = doctor.checks;
  const own = new Map<string, readonly Check[]>();
  for (const handover of handovers) {
    const looked = await lookInto(handover, target, found).then((prospect) => prospect.checks, asChecks);
    if (looked === null) continue;
    own.set(handover.kind, looked);
    // A host that is updated by kexec is well without what only a reboot needs.
    if (handover.kind !== 'reboot') checks = [...checks, ...looked];
  }
  return {
    checks: withoutRepeats(checks),
    handovers: doctor.handovers.map((verdict) => {
      const looked = own.get(verdict.handover);
      return looked === undefined
        ? verdict
        : {
            handover: verdict.handover,
            possible: passes(looked),
            reasons: looked.filter((check) => check.verdict === 'fail').map(reasonOf),
          };
    }),
  };
}

/** The doctor answers, whatever he meets. */
function asChecks(error: unknown): Check[] {
  const reason = error instanceof Error ? error.message : String(error);
  return [{ id: 'handover', subject: 'host', verdict: 'fail', reason }];
}

/** The one that runs, unless it has been removed since. */
function someKernel({ kernel, kernels }: Host): string {
  return kernels.includes(kernel) ? kernel : ([...kernels].sort(compareReleases).at(-1) ?? kernel);
}
