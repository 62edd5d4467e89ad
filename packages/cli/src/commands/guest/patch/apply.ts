import { readPatch } from '@exuvia/guest';
import { EXIT, type ExitStatus } from '../../../exit.ts';
import { readGivenFile } from '../../../given-file.ts';
import type { Invocation } from '../../../program.ts';
import { targetOf } from '../target.ts';
import { type PatchOptions, withPatches } from './open.ts';
import { finishSwitch, type WaitOptions, waitLimit } from './wait.ts';

interface ApplyOptions extends PatchOptions, WaitOptions {
  readonly replace?: boolean;
}

/** Applies a patch to a running guest. */
export async function apply(invocation: Invocation<ApplyOptions>): Promise<ExitStatus> {
  const { options, io } = invocation;
  const target = await targetOf(invocation, 'PATCH.ko');
  const timeoutMs = waitLimit(options);
  const file = target.rest[0] ?? '';
  const bytes = await readGivenFile(file);
  const patch = readPatch(bytes, file);
  return withPatches(target, options, async (patches) => {
    const { signal } = io;
    const report = await patches.apply(patch, { bytes, replace: options.replace === true });
    return finishSwitch(
      { io, options, patches, timeoutMs, signal },
      { verb: 'switched', from: 'applying', report },
    );
  }).then((done) => (done ? EXIT.ok : EXIT.failed));
}
