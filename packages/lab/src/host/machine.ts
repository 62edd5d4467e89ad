import { copyFile, mkdir, rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import { ExuviaError } from '@exuvia/contract';
import { readIfExists, run } from '@exuvia/sys';
import type { Base } from '../image/base.ts';
import { AGENT_PORT } from '../image/configure.ts';
import type { Credentials } from '../image/credentials.ts';
import { upstreamVersion } from '../image/qemus.ts';
import { OVMF, toolPath } from '../image/toolbox.ts';
import { patiently } from '../support/patience.ts';
import { freePorts } from './ports.ts';
import { labArguments } from './qemu-command.ts';
import { labRun, type SshTarget, writeKnownHosts } from './ssh.ts';
import {
  type Accelerator,
  type LabState,
  labPaths,
  processStartTime,
  readPid,
  removeLeftovers,
  writeLabState,
} from './state.ts';

export interface MachineOptions {
  readonly base: Base;
  readonly credentials: Credentials;
  readonly accelerator: Accelerator;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** A qcow2 image that the machine writes to. */
  readonly disk: string;
  readonly dataDisk?: string | undefined;
}

/**
 * Starts the lab host's QEMU as a process of its own that outlives this one, and records it. What a dead
 * lab host left behind is removed first. The lab's lock must be held.
 */
export async function startMachine(options: MachineOptions): Promise<LabState> {
  const paths = labPaths();
  await requireMemory(options.memoryBytes);
  const [sshPort, agentPort] = await freePorts();
  await mkdir(paths.folder, { recursive: true });
  await rm(paths.consoleLog, { force: true });
  await copyFile(join(options.base.folder, OVMF.variables), paths.variables);
  await writeKnownHosts(options.credentials, paths.knownHosts);
  const args = labArguments({
    ...options,
    ...{ ramFile: paths.ramFile, console: paths.console, consoleLog: paths.consoleLog, qmp: paths.qmp },
    ...{ lan: paths.lan, lanOutside: paths.lanOutside },
    ...{ pidFile: paths.pidFile, sshPort, agentPort, guestAgentPort: AGENT_PORT },
    firmware: { code: join(options.base.folder, OVMF.code), variables: paths.variables },
  });
  await run(toolPath(options.base.folder, 'qemu-system-x86_64'), args);
  const pid = await readPid(paths.pidFile);
  const { newQemu } = options.base.pins;
  const state: LabState = {
    version: 1,
    pid,
    startTime: (await processStartTime(pid)) ?? '',
    startedAt: new Date().toISOString(),
    ...{ accelerator: options.accelerator, cpus: options.cpus, memoryBytes: options.memoryBytes },
    ...{ ramFile: paths.ramFile, disk: options.disk, sshPort, agentPort, knownHosts: paths.knownHosts },
    ...{ sshKey: options.credentials.sshKey, ca: options.credentials.ca },
    ...{ clientCert: options.credentials.client.cert, clientKey: options.credentials.client.key },
    ...{ baseFolder: options.base.folder, kernels: options.base.pins.kernels },
    newQemu: newQemu === null ? null : upstreamVersion(newQemu),
  };
  await writeLabState(state);
  return state;
}

/** Ends the lab host's process, after verifying that it is the one that was started, and cleans up. */
export async function endMachine(state: LabState): Promise<void> {
  const alive = async () => (await processStartTime(state.pid)) === state.startTime;
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (await alive()) process.kill(state.pid, signal);
    for (let waited = 0; waited < 5000 && (await alive()); waited += 50) await sleep(50);
  }
  if (await alive()) {
    throw new ExuviaError('lab-not-ended', `The lab host's process ${state.pid} does not end.`);
  }
  await removeLeftovers();
}

/**
 * The machine's memory is a file that grows: without room for all of it QEMU would die in the middle.
 *
 * @throws ExuviaError `lab-no-memory`.
 */
export async function requireMemory(bytes: number): Promise<void> {
  const file = labPaths().ramFile;
  const { bavail, bsize } = await statfs(dirname(file));
  if (bavail * bsize >= bytes) return;
  const wanted = Math.ceil(bytes / 2 ** 20);
  const free = Math.floor((bavail * bsize) / 2 ** 20);
  throw new ExuviaError(
    'lab-no-memory',
    `The lab host's memory takes ${wanted} MiB; ${dirname(file)} has ${free} free.`,
    {
      hint: `Free some, or let it grow, if the machine has that much: mount -o remount,size=${wanted + 1024}M ${dirname(file)}`,
    },
  );
}

/** Waits until the machine's process ends by itself (after a power-off from inside). */
export async function waitForEnd(state: LabState, limitMs: number): Promise<void> {
  for (const until = performance.now() + patiently(limitMs); performance.now() < until; ) {
    if ((await processStartTime(state.pid)) !== state.startTime) return;
    await sleep(100);
  }
  throw new ExuviaError('lab-not-ended', `The lab host did not power off within ${limitMs / 1000} s.`, {
    hint: `Its console: ${labPaths().consoleLog}`,
  });
}

/**
 * Waits until `ready` answers something, asking again and again.
 *
 * @throws ExuviaError `lab-not-ready` after the limit, or at once when the lab host has died.
 */
export async function waitUntil<T>(
  state: LabState,
  what: string,
  limitMs: number,
  ready: () => Promise<T | null>,
): Promise<T> {
  let last: unknown;
  for (const until = performance.now() + patiently(limitMs); performance.now() < until; ) {
    const answer = await ready().catch((error: unknown) => {
      last = error;
      return null;
    });
    if (answer !== null) return answer;
    if ((await processStartTime(state.pid)) !== state.startTime) {
      throw await notReady('The lab host died.', last);
    }
    await sleep(250);
  }
  throw await notReady(`${what} did not come within ${limitMs / 1000} s.`, last);
}

/** Waits until root can log in by ssh; returns the boot id. */
export function waitForSsh(state: LabState & SshTarget, limitMs: number): Promise<string> {
  return waitUntil(state, 'The lab host', limitMs, async () => {
    const { stdout } = await labRun(state, 'cat /proc/sys/kernel/random/boot_id', { timeoutMs: 20_000 });
    return stdout === '' ? null : stdout;
  });
}

async function notReady(message: string, cause: unknown): Promise<ExuviaError> {
  const log = (await readIfExists(labPaths().consoleLog)) ?? '';
  const tail = stripVTControlCharacters(log).trim().split('\n').slice(-8).join('\n');
  return new ExuviaError('lab-not-ready', message, { hint: `The end of its console:\n${tail}`, cause });
}
