import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { labDown } from './down.ts';
import { endLabSince } from './interrupted.ts';
import { labPaths } from './state.ts';

let folder: string;
let child: ChildProcess;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exuvia-state-'));
  vi.stubEnv('EXUVIA_CACHE', folder);
  await mkdir(labPaths().folder);
});
afterEach(async () => {
  child.kill('SIGKILL');
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

/** Stands for a QEMU that has written its pid file and is not recorded yet. */
async function unrecorded(...args: readonly string[]): Promise<void> {
  child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000); console.log()', '--', ...args]);
  if (child.stdout !== null) await once(child.stdout, 'data');
  await writeFile(labPaths().pidFile, `${child.pid}\n`);
}
const signal = async () => {
  if (child.signalCode === null && child.exitCode === null) await once(child, 'exit');
  return child.signalCode;
};

test('a lab host that was started and never recorded is seen by `lab down`', async () => {
  await unrecorded('-pidfile', labPaths().pidFile, '-daemonize');
  expect(await labDown()).toBe(true);
  expect(await signal()).toBe('SIGKILL');
  expect(await labDown()).toBe(false);
});

test('a process that has got the number since is left alone', async () => {
  await unrecorded('-pidfile', '/another');
  expect(await labDown()).toBe(false);
  expect(child.signalCode).toBe(null);
});

test('who is interrupted ends such a lab host only if it was started since', async () => {
  const { pidFile } = labPaths();
  await unrecorded('-pidfile', pidFile);
  await utimes(pidFile, 1000, 1000);
  await endLabSince(2_000_000);
  expect(child.signalCode).toBe(null);
  await endLabSince(500_000);
  expect(await signal()).toBe('SIGKILL');
});
