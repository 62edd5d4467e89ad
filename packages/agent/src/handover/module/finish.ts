import type { Report } from '@exuvia/contract';
import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from '../shared/attempt.ts';
import { buildReport } from '../shared/report.ts';
import { restoreAll } from '../shared/restore-all.ts';
import { verifyVms } from '../shared/verify.ts';
import { keepLoadedModules } from './keep.ts';
import { namesSchema } from './steps.ts';
import { moduleTimings } from './times.ts';

/** Takes up what an agent that was killed has left in the store, verifies and reports. */
export async function finishModule(
  dependencies: HandoverDependencies,
  context: StepContext,
): Promise<Report> {
  await restoreAll(dependencies, context);
  const modules = namesSchema.parse(await context.recall('modules'));
  // What is loaded now is what a next update would have to go back to.
  await attempt(context, 'The loaded modules could not be kept', () => keepLoadedModules(modules));
  const verified = await verifyVms(dependencies, context);
  return buildReport(dependencies, context, await moduleTimings(context), verified);
}
