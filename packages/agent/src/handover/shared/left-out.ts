import { type Plan, REHEARSAL } from '@exuvia/contract';
import type { Handover, Step, StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from './attempt.ts';

type Needs = Pick<HandoverDependencies, 'vms'>;

/** So long a guest may take to power down before its QEMU is ended. */
const POWER_DOWN_MS = 120_000;

/**
 * Shuts down the VMs that cannot be saved and whose specs say `onFailure: shutdown`; they are started again on the
 * new side, or by `undo`. Those that say `leave` need no step: they end with the old kernel, or stay in their old QEMU.
 */
export function shutDownVms({ vms }: Needs, { leftOut }: Pick<Plan, 'leftOut'>): Step[] {
  const names = leftOut.filter(({ action }) => action === 'shutdown').map(({ name }) => name);
  if (names.length === 0) return [];
  return [
    {
      name: 'shut-down-vms',
      phase: null,
      description: `shut down ${names.join(', ')}, which cannot be saved; started again afterwards`,
      async run() {
        await Promise.all(names.map((name) => vms.stop(name, { timeoutMs: POWER_DOWN_MS })));
      },
      async undo() {
        for (const name of names) if ((await vms.get(name)).state === 'stopped') await vms.start(name);
      },
    },
  ];
}

/** On the new side. Idempotent. */
export async function startLeftOut({ vms }: Needs, context: StepContext): Promise<void> {
  for (const { name, action } of context.plan.leftOut) {
    if (action !== 'shutdown') continue;
    await attempt(context, `VM ${name} could not be started again`, async () => {
      if ((await vms.get(name)).state === 'stopped') await vms.start(name);
    });
  }
}

/**
 * The handover, with those VMs shut down and started again at its end: before anything else, but not before what may refuse
 * the update for another VM has been tried (`rehearse`).
 */
export function withLeftOut(handover: Handover, dependencies: Needs): Handover {
  const { salvage } = handover;
  return {
    ...handover,
    steps(plan) {
      const steps = handover.steps(plan);
      const first = steps.findIndex(({ name }) => name === REHEARSAL) + 1;
      return steps.toSpliced(first, 0, ...shutDownVms(dependencies, plan));
    },
    async finish(context) {
      const report = await handover.finish(context);
      await startLeftOut(dependencies, context);
      return report;
    },
    ...(salvage === undefined
      ? {}
      : {
          async salvage(context: StepContext) {
            const found = await salvage(context);
            await startLeftOut(dependencies, context);
            return found;
          },
        }),
  };
}
