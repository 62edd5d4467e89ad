import { EXIT, type ExitStatus } from '../../../exit.ts';
import type { Invocation } from '../../../program.ts';
import { targetOf } from '../target.ts';
import { type PatchOptions, withPatches } from './open.ts';
import { finishSwitch, type WaitOptions, waitLimit } from './wait.ts';

/** Takes a patch out of a running guest. */
export async function rollback(invocation: Invocation<PatchOptions & WaitOptions>): Promise<ExitStatus> {
  const { options, io } = invocation;
  const target = await targetOf(invocation, 'ID');
  const timeoutMs = waitLimit(options);
  return withPatches(target, options, async (patches) => {
    const { signal } = io;
    const report = await patches.rollback(target.rest[0] ?? '');
    return finishSwitch(
      { io, options, patches, timeoutMs, signal },
      { verb: 'switched back', from: 'reverting', report },
    );
  }).then((done) => (done ? EXIT.ok : EXIT.failed));
}
