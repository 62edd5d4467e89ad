import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno, listIfExists, readIfExists } from '@exuvia/sys';
import type { VmPaths } from './dependencies.ts';

/** The QEMU that runs on a VM's memory. */
export interface VmProcess {
  readonly pid: number;
  /** It holds the lock on the RAM file, so that no second one can run on it. */
  readonly locked: boolean;
}

/**
 * Finds the QEMU that runs on a VM's memory: who took the lock on its RAM file, or whom its pid file names, or that
 * of a QEMU that has taken another's place (with its lock: /proc/locks names whoever took it, dead or alive). In
 * each case only when that process's command line has the RAM file in it. A pid alone proves nothing: it may have
 * been given to another process since.
 */
export async function findProcess(paths: VmPaths): Promise<VmProcess | null> {
  for (const pid of await lockHolders(paths.ram)) {
    if (await runsOn(pid, paths.ram)) return { pid, locked: true };
  }
  for (const file of [paths.pidFile, join(paths.next, 'qemu.pid')]) {
    const pid = await pidIn(file, paths.ram);
    if (pid !== null) return { pid, locked: await carriesLock(pid, paths.ram) };
  }
  return null;
}

/** The QEMU that is about to take the running one's place; `null` without one. */
export async function findSuccessor(paths: VmPaths): Promise<number | null> {
  return pidIn(join(paths.next, 'qemu.pid'), paths.ram);
}

/** Waits until a process is gone; false when `timeoutMs` have passed. */
export async function waitForPidEnd(pid: number, ramFile: string, timeoutMs: number): Promise<boolean> {
  for (const deadline = Date.now() + timeoutMs; await runsOn(pid, ramFile); await sleep(10)) {
    if (Date.now() >= deadline) return false;
  }
  return true;
}

/**
 * Waits until no QEMU runs on the memory any more and its lock is free; false when `timeoutMs` have passed.
 *
 * An ending process loses its command line (with its memory) some time before its files and their locks:
 * it is no QEMU any more, but no other one can be started yet.
 */
export async function waitForEnd(paths: VmPaths, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while ((await findProcess(paths)) !== null || (await isBeingReleased(paths.ram))) {
    if (Date.now() >= deadline) return false;
    await sleep(20);
  }
  return true;
}

/** Ends a process at once; no error when it is gone already. */
export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}

/**
 * The processes that hold a flock on a file with this file's inode number; on several file systems there may
 * be several. (/proc/locks: `1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE 0 EOF`.)
 */
async function lockHolders(path: string): Promise<number[]> {
  const inode = await inodeOf(path);
  if (inode === null) return [];
  const locks = (await readIfExists('/proc/locks')) ?? '';
  return locks.split('\n').flatMap((line) => {
    const [, kind, , , pid, place] = line.split(/\s+/);
    return kind === 'FLOCK' && place?.split(':').at(-1) === inode ? [Number(pid)] : [];
  });
}

async function pidIn(pidFile: string, ramFile: string): Promise<number | null> {
  const pid = Number(await readIfExists(pidFile));
  return Number.isInteger(pid) && pid > 1 && (await runsOn(pid, ramFile)) ? pid : null;
}

/** Whether a descriptor of the process carries a flock on the file (/proc/PID/fdinfo/N, `lock:`; Linux 4.1). */
async function carriesLock(pid: number, path: string): Promise<boolean> {
  const inode = await inodeOf(path);
  const descriptors = await listIfExists(`/proc/${pid}/fdinfo`);
  const infos = await Promise.all(
    descriptors.map((fd) => readIfExists(`/proc/${pid}/fdinfo/${fd}`).catch(ignoreGone)),
  );
  const lock = new RegExp(`^lock:.* FLOCK .*:${inode} `, 'm');
  return infos.some((info) => lock.test(info ?? ''));
}

async function inodeOf(path: string): Promise<string | null> {
  try {
    return String((await stat(path, { bigint: true })).ino);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
}

async function isBeingReleased(ramFile: string): Promise<boolean> {
  const holders = await lockHolders(ramFile);
  const commandLines = await Promise.all(holders.map(commandLineOf));
  return commandLines.includes('');
}

async function runsOn(pid: number, ramFile: string): Promise<boolean> {
  return (await commandLineOf(pid))
    .split('\0')
    .some((word) => word.split(',').includes(`mem-path=${ramFile}`));
}

/** Empty for a process that is ending, and for a zombie. */
async function commandLineOf(pid: number): Promise<string> {
  return (await readIfExists(`/proc/${pid}/cmdline`).catch(ignoreGone)) ?? '';
}

/** A process that ends while it is looked at. */
function ignoreGone(error: unknown): null {
  if (isErrno(error, 'ESRCH')) return null;
  throw error;
}
