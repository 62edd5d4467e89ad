import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { labDown } from '../../src/host/down.ts';
import { labPaths, requireNoOlderLab } from '../../src/host/state.ts';

const END_LAB = join(import.meta.dirname, 'end-lab.ts');

/** Lab hosts that tests started end with the tests, however those end; one that somebody else started is left alone. */
export async function setup(): Promise<() => Promise<void>> {
  const begin = performance.timeOrigin;
  await requireNoOlderLab(begin);
  // At a signal vitest ends without any teardown, and leaves time for nothing that is not synchronous.
  process.once('exit', () => endSince(begin));
  return async () => {
    await labDown();
  };
}

/** In a process of its own, and not in this one's group, which a Ctrl-C is for. */
function endSince(begin: number): void {
  const { state, pidFile } = labPaths();
  if (!existsSync(state) && !existsSync(pidFile)) return;
  spawnSync('setsid', ['--wait', process.execPath, END_LAB, String(begin)], { stdio: 'inherit' });
}
