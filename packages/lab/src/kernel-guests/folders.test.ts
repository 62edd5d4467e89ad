import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { guestFolder } from './folders.ts';

test('what a guest of a killed process left is removed, that of a living one stays', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'exuvia-folders-'));
  const gone = spawnSync('true').pid;
  const others = [`exuvia-guest-${process.pid}-abc`, 'exuvia-guest-agent-x1', 'other'];
  for (const name of [...others, `exuvia-guest-${gone}-abc`]) await mkdir(join(parent, name));
  const own = basename(await guestFolder(parent));
  expect((await readdir(parent)).sort()).toEqual([...others, own].sort());
  await rm(parent, { recursive: true });
});
