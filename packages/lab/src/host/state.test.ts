import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { labDown } from './down.ts';
import { endLabSince } from './interrupted.ts';
import { labPaths, processStartTime, requireNoOlderLab, writeLabState } from './state.ts';

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

test('a lab host that somebody else started before is named, one that was started since is not', async () => {
  await unrecorded();
  const pid = child.pid ?? 0;
  await requireNoOlderLab(Date.now());
  await writeLabState({
    ...{
      version: 1,
      pid,
      startTime: (await processStartTime(pid)) ?? '',
      startedAt: '2026-01-01T12:00:00.000Z',
    },
    ...{
      accelerator: 'tcg',
      cpus: 3,
      memoryBytes: 1,
      ramFile: '',
      disk: '',
      sshPort: 1,
      agentPort: 2,
      sshKey: '',
    },
    ...{ knownHosts: '', ca: '', clientCert: '', clientKey: '', baseFolder: '', newQemu: null },
    kernels: { old: '6.12', new: '7.2' },
  });
  await requireNoOlderLab(Date.parse('2026-01-01T11:00:00.000Z'));
  await expect(requireNoOlderLab(Date.parse('2026-01-01T13:00:00.000Z'))).rejects.toMatchObject({
    code: 'lab-running',
    message: `A lab host runs already (process ${pid}), which would be ended. To end it: npm run exuvia -- lab down`,
  });
});
