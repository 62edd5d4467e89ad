import { type Plan, REHEARSAL } from '@exuvia/contract';
import { z } from 'zod';
import type { Handover, Step, StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from './attempt.ts';
import { allOf } from './parallel.ts';

type Needs = Pick<HandoverDependencies, 'vms'>;

/** Names that are remembered before the first guest is asked to power down. */
const STOPPING = 'shutting-down';
const stoppingSchema = z.array(z.string()).default([]);

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
      async run(context) {
        await context.remember(STOPPING, names);
        await allOf(names.map((name) => vms.stop(name, { timeoutMs: POWER_DOWN_MS })));
      },
      async undo(context) {
        const startAgain = async (name: string) => {
          // Its guest may be on its way down still, or have gone down while no agent was there to clear up after it.
          await vms.stop(name, { timeoutMs: POWER_DOWN_MS });
          await vms.start(name);
        };
        await allOf(stoppingSchema.parse(await context.recall(STOPPING)).map(startAgain));
        await context.remember(STOPPING, []);
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
      try {
        return await handover.finish(context);
      } finally {
        await startLeftOut(dependencies, context);
      }
    },
    ...(salvage === undefined
      ? {}
      : {
          async salvage(context: StepContext) {
            try {
              return await salvage(context);
            } finally {
              await startLeftOut(dependencies, context);
            }
          },
        }),
  };
}
