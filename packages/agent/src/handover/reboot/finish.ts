import type { Report } from '@exuvia/contract';
import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from '../shared/attempt.ts';
import { forgetNextKernel, makeDefault } from '../shared/default-kernel.ts';
import { buildReport } from '../shared/report.ts';
import { restoreInTarget } from '../shared/restore-in-target.ts';
import { verifyVms } from '../shared/verify.ts';
import { savedFile } from './layout.ts';
import { noteTime, rebootTimings } from './times.ts';

/**
 * Takes up every VM from its file, in the order of priority, all at once. A VM whose file is gone already was
 * taken up before this agent was killed.
 */
export async function finishReboot(
  dependencies: HandoverDependencies,
  context: StepContext,
): Promise<Report> {
  const { vms } = dependencies;
  const { plan } = context;
  await noteTime(context, 'agent');
  await Promise.all(
    plan.vms
      .toSorted((a, b) => a.priority - b.priority)
      .map(async ({ name }) => {
        await attempt(
          context,
          `VM ${name} could not be restored; its state is kept in ${savedFile(name)}`,
          async () => {
            if ((await vms.get(name)).state === 'running') return;
            await restoreInTarget(context, name, (options) =>
              vms.restoreFrom(name, savedFile(name), options),
            );
          },
        );
      }),
  );
  await noteTime(context, 'restored');
  const verified = await verifyVms(dependencies, context);
  await attempt(context, 'The boot loader may keep its choice for one boot', forgetNextKernel);
  await attempt(context, 'The boot loader keeps its old default', () => makeDefault(plan.target.kernel));
  return buildReport(dependencies, context, await rebootTimings(context), verified);
}
