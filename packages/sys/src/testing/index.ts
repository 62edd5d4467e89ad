import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const made: string[] = [];

afterAll(async () => {
  await Promise.all(made.splice(0).map((path) => rm(path, { recursive: true, force: true })));
});

/** A directory for the tests of one file; removed after the last of them. */
export async function temporaryDirectory(parent: string = tmpdir()): Promise<string> {
  const path = await mkdtemp(join(parent, 'exuvia-test-'));
  made.push(path);
  return path;
}
export { type LanClient, startLanClient } from './lan/client.ts';
export { makeNamespace, namespacesMissing, type TestNamespace } from './lan/namespace.ts';
