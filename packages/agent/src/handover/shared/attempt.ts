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

/** Waits for work that cannot be interrupted, but not after an abort. */
export async function unlessAborted(context: StepContext, work: Promise<void>): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(context.signal.reason);
  context.signal.addEventListener('abort', abort, { once: true });
  try {
    context.signal.throwIfAborted();
    await Promise.race([work, aborted.promise]);
  } finally {
    context.signal.removeEventListener('abort', abort);
    work.catch(() => {});
    aborted.promise.catch(() => {});
  }
}
