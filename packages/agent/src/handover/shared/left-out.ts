import type { Handover, Step, VmManager } from '../../kinds.ts';

const POWER_DOWN_MS = 60_000;

/** The handover, with VMs powered down beforehand that the plan leaves out and whose specs want that. */
export function withLeftOut(handover: Handover, vms: Pick<VmManager, 'get' | 'stop' | 'start'>): Handover {
  return {
    ...handover,
    steps: (plan) => {
      const names = plan.leftOut.filter(({ how }) => how === 'shutdown').map(({ name }) => name);
      return names.length === 0 ? handover.steps(plan) : [shutDown(vms, names), ...handover.steps(plan)];
    },
  };
}

/** Its undo starts them again: they are as they were but for having been restarted. */
function shutDown(vms: Pick<VmManager, 'get' | 'stop' | 'start'>, names: readonly string[]): Step {
  return {
    name: 'shut-down-vms',
    phase: null,
    description: `power down the VMs that cannot be taken along: ${names.join(', ')}`,
    async run() {
      await Promise.all(names.map((name) => vms.stop(name, { timeoutMs: POWER_DOWN_MS })));
    },
    async undo() {
      for (const name of names) {
        if ((await vms.get(name)).state === 'stopped') await vms.start(name);
      }
    },
  };
}
