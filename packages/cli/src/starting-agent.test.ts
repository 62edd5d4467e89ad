import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { temporaryFolder } from '@exuvia/agent';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { waitWhileAgentStarts } from './starting-agent.ts';
import { run } from './testing/run.ts';

const NOBODY = 65534;
let folder: string;
let closed: string;
const path = process.env.PATH;

beforeEach(async () => {
  folder = await temporaryFolder();
  closed = join(folder, 'closed');
  await mkdir(closed, { mode: 0 });
});
afterEach(() => {
  process.env.PATH = path;
});

/** Does what a user that is not root does: to root no folder is closed. */
async function asUser<Result>(work: () => Promise<Result>): Promise<Result> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(NOBODY);
  try {
    return await work();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

/** Stands for systemctl: notes that it was asked, and says that the agent is up, then that it is not. */
async function fakeSystemctl(): Promise<string> {
  const asked = join(folder, 'asked');
  const state = `if [ -s ${asked} ]; then echo failed; else echo active; fi`;
  await writeFile(join(folder, 'systemctl'), `#!/bin/sh\n${state}\necho "$*" >> ${asked}\n`);
  await Promise.all([chmod(join(folder, 'systemctl'), 0o755), chmod(folder, 0o755)]);
  await writeFile(asked, '');
  await chmod(asked, 0o666);
  process.env.PATH = `${folder}${delimiter}${path}`;
  return asked;
}

test('an agent that is starting is waited for until systemd gives it up', async () => {
  const asked = await fakeSystemctl();
  await waitWhileAgentStarts(join(folder, 'none.sock'));
  const line = 'is-active exuvia-agent.service\n';
  expect(await readFile(asked, 'utf8')).toBe(line + line);
});

test('an agent that this user may not ask is not waited for', async () => {
  const asked = await fakeSystemctl();
  await asUser(() => waitWhileAgentStarts(join(closed, 'agent.sock')));
  expect(await readFile(asked, 'utf8')).toBe('');
});

test('a user that may not ask the agent is told to be root', async () => {
  const socket = join(closed, 'agent.sock');
  expect(await asUser(() => run(['status', '--socket', socket]))).toEqual({
    status: 4,
    out: '',
    err: `exuvia: The agent at ${socket} cannot be reached: connect EACCES ${socket}.\n        Its socket is root's alone: try again as root.\n`,
  });
});
