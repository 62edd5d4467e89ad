import { ExuviaError, type Host, type Plan, type PlanStep, type Vm } from '@exuvia/contract';
import { plannedVms } from './build.ts';

export interface HostNow {
  readonly host: Host;
  readonly vms: readonly Vm[];
  readonly steps: readonly PlanStep[];
}

/** What has changed on the host since a plan was made, in words; empty when the plan still holds. Pure. */
export function planDeviations(plan: Plan, { host, vms, steps }: HostNow): string[] {
  const deviations: string[] = [];
  if (host.kernel !== plan.host.kernel) {
    deviations.push(`the kernel is ${host.kernel}, not ${plan.host.kernel}`);
  }
  if (host.bootId !== plan.host.bootId) deviations.push('the host has been booted since');
  const qemu = host.qemu ?? 'none';
  if (qemu !== plan.host.qemu) deviations.push(`QEMU is ${qemu}, not ${plan.host.qemu}`);
  if (!host.kernels.includes(plan.target.kernel)) {
    deviations.push(`the kernel ${plan.target.kernel} is no longer installed`);
  }
  const leftOut = new Set(plan.leftOut.map(({ name }) => name));
  const now = describeVms(plannedVms(vms).filter(({ name }) => !leftOut.has(name)));
  const then = describeVms(plan.vms);
  if (now !== then) deviations.push(`the running VMs are ${now}, not ${then}`);
  if (nameSteps(steps) !== nameSteps(plan.steps)) deviations.push('the agent does other steps now');
  return deviations;
}

/** Throws ExuviaError `plan-outdated` or `plan-not-executable`. */
export function requireExecutable(plan: Plan, now: HostNow): void {
  const deviations = planDeviations(plan, now);
  if (deviations.length > 0) {
    throw new ExuviaError(
      'plan-outdated',
      `Plan ${plan.id} no longer fits this host: ${deviations.join('; ')}.`,
      {
        hint: 'Make a new one: `exuvia plan --kernel RELEASE`.',
      },
    );
  }
  if (plan.executable) return;
  const failed = plan.checks.filter((check) => check.verdict === 'fail');
  const reasons = failed.map((check) => `${check.subject}: ${check.reason}`.replace(/\.$/, ''));
  const remedies = failed.map((check) => check.remedy).filter((remedy) => remedy !== undefined);
  throw new ExuviaError(
    'plan-not-executable',
    `The host is not ready for this update: ${reasons.join('; ')}.`,
    {
      hint: remedies.length > 0 ? remedies.join(' ') : 'See `exuvia doctor`.',
    },
  );
}

function describeVms(vms: Plan['vms']): string {
  return vms.length === 0 ? 'none' : vms.map((vm) => `${vm.name} (${vm.memoryBytes} bytes)`).join(', ');
}

function nameSteps(steps: readonly PlanStep[]): string {
  return steps.map((step) => step.name).join(' ');
}
