import type { Report } from '@exuvia/contract';
import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { buildReport } from '../shared/report.ts';
import { restoreAll } from '../shared/restore-all.ts';
import { verifyVms } from '../shared/verify.ts';
import { moduleTimings } from './times.ts';

/** Takes up what an agent that was killed has left in the store, verifies and reports. */
export async function finishModule(
  dependencies: HandoverDependencies,
  context: StepContext,
): Promise<Report> {
  await restoreAll(dependencies, context);
  const verified = await verifyVms(dependencies, context);
  return buildReport(dependencies, context, await moduleTimings(context), verified);
}
