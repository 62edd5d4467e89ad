import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new, empty directory for the test that runs now; it is removed after the test and its hooks. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'exuvia-test-'));
  // Imported here: killed-agent.ts, which is no test, imports this file, too.
  const { onTestFinished } = await import('vitest');
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
