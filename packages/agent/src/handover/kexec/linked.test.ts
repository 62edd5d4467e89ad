import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '@exuvia/sys';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** The real shared object; that it stops a QEMU until its VM is to run is the lab's to test. */
let directory: string;
let linked: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'exuvia-linked-'));
  linked = join(directory, 'libexuvia-linked.so');
  const native = join(import.meta.dirname, '../../../../../native');
  const source = `${native}/early-restore/libexuvia-linked.c`;
  await run('cc', ['-O1', '-D_GNU_SOURCE', '-fPIC', '-shared', `-I${native}/common`, '-o', linked, source]);
});
afterAll(() => rm(directory, { recursive: true }));

test.each([
  ['closed', ''],
  ['a file', '3</dev/null'],
])('a program into which it is brought, with descriptor 3 %s, is what it was', async (_, redirection) => {
  const script = `printf '%s %s' "$0" "$GREETING" && cat /proc/self/cmdline ${redirection}`;
  const { stdout } = await run('/bin/sh', ['-c', script, 'a b'], {
    env: { GREETING: 'hello', LD_PRELOAD: linked },
  });
  expect(stdout).toBe('a b hellocat\0/proc/self/cmdline\0');
});
