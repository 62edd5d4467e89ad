import type { StepContext } from '../../kinds.ts';

/** Does what an update can do without: a failure is logged. */
export async function attempt(
  context: StepContext,
  failure: string,
  work: () => Promise<unknown>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    context.log(`${failure}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
