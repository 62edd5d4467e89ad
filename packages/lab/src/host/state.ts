import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ExuviaError } from '@exuvia/contract';
import { readIfExists, writeFileDurably } from '@exuvia/sys';
import { z } from 'zod';
import { cacheFolder } from '../support/cache.ts';

const acceleratorSchema = z.enum(['kvm', 'tcg']);
export type Accelerator = z.infer<typeof acceleratorSchema>;

const stateSchema = z.object({
  version: z.literal(1),
  pid: z.int(),
  /** From /proc/PID/stat: tells a process from a later one with the same number. */
  startTime: z.string(),
  startedAt: z.string(),
  accelerator: acceleratorSchema,
  cpus: z.int(),
  memoryBytes: z.int(),
  /** The lab host's RAM, readable from outside. */
  ramFile: z.string(),
  disk: z.string(),
  sshPort: z.int(),
  agentPort: z.int(),
  sshKey: z.string(),
  knownHosts: z.string(),
  ca: z.string(),
  clientCert: z.string(),
  clientKey: z.string(),
  baseFolder: z.string(),
  kernels: z.object({ old: z.string(), new: z.string() }),
  /** Upstream version of the second QEMU; null without one. */
  newQemu: z.string().nullable().default(null),
});
/** A lab host that was started; kept in state.json beside its sockets and logs. */
export type LabState = z.infer<typeof stateSchema>;

/** Files of the one lab host that a machine runs at a time; another $EXUVIA_CACHE is another machine's. */
export function labPaths() {
  const folder = join(cacheFolder(), 'lab');
  const file = (name: string) => join(folder, name);
  return {
    folder,
    state: file('state.json'),
    lock: file('lock'),
    overlay: file('disk.qcow2'),
    dataDisk: file('data.raw'),
    variables: file('uefi-variables.fd'),
    console: file('console.sock'),
    consoleLog: file('console.log'),
    /** That of a machine which did not come up. */
    stuckConsoleLog: file('console-stuck.log'),
    qmp: file('qmp.sock'),
    /** The two ends of the cable at its second NIC (native/lan); the outer one is there when somebody has plugged it in. */
    lan: file('lan.sock'),
    lanOutside: file('lan-outside.sock'),
    pidFile: file('qemu.pid'),
    knownHosts: file('known_hosts'),
    /** On tmpfs, so that it can be mapped and watched without touching a disk. */
    ramFile: `/dev/shm/exuvia-lab-ram${process.env.EXUVIA_CACHE === undefined ? '' : `-${basename(cacheFolder())}`}`,
  } as const;
}

/** The state of the lab host; `null` when none was started, or it is dead. */
export async function runningLab(): Promise<LabState | null> {
  const state = await lastLab();
  return state !== null && (await processStartTime(state.pid)) === state.startTime ? state : null;
}

/**
 * @throws ExuviaError `lab-not-running`.
 */
export async function requireLab(): Promise<LabState> {
  const state = await runningLab();
  if (state !== null) return state;
  throw new ExuviaError('lab-not-running', 'No lab host is running.', {
    hint: 'Start one: npm run exuvia -- lab up',
  });
}

/**
 * Makes room for a lab host: removes what one that died has left, its memory above all. The lab's lock must be held.
 *
 * @throws ExuviaError `lab-running` when one runs.
 */
export async function requireNoLab(): Promise<void> {
  const running = await runningLab();
  if (running !== null) {
    throw new ExuviaError('lab-running', `A lab host runs already (process ${running.pid}).`, {
      hint: 'End it first: npm run exuvia -- lab down',
    });
  }
  await removeLeftovers();
}

/**
 * For whoever ends the lab hosts that it meets.
 *
 * @throws ExuviaError `lab-running` when one was started before `begin`, by somebody else.
 */
export async function requireNoOlderLab(begin: number): Promise<void> {
  const running = await runningLab();
  if (running === null || Date.parse(running.startedAt) >= begin) return;
  throw new ExuviaError(
    'lab-running',
    `A lab host runs already (process ${running.pid}), which would be ended. To end it: npm run exuvia -- lab down`,
  );
}

/** The last state that was written, whether its lab host lives or not. */
export async function lastLab(): Promise<LabState | null> {
  const text = await readIfExists(labPaths().state);
  if (text === null) return null;
  const parsed = stateSchema.safeParse(JSON.parse(text));
  return parsed.success ? parsed.data : null;
}

export async function writeLabState(state: LabState): Promise<void> {
  await mkdir(labPaths().folder, { recursive: true });
  await writeFileDurably(labPaths().state, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
}

/** Field 22 of /proc/PID/stat (clock ticks since boot); `null` when there is no such process. */
export async function processStartTime(pid: number): Promise<string | null> {
  const stat = await readIfExists(`/proc/${pid}/stat`).catch(() => null);
  // The second field is the program's name in parentheses and may hold anything, blanks included.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

/**
 * Removes what a lab host leaves behind. Its process must be dead, if it is recorded; one that is not, because whoever started
 * it was ended in between, is ended. Returns whether there was one.
 */
export async function removeLeftovers(): Promise<boolean> {
  const paths = labPaths();
  const stray = await endStray(paths.pidFile);
  const { state, overlay, dataDisk, variables, console, qmp, lan, ramFile, pidFile } = paths;
  for (const path of [state, overlay, dataDisk, variables, console, qmp, lan, ramFile, pidFile]) {
    if (existsSync(path)) await rm(path, { force: true });
  }
  return stray;
}

/** Ends the process that has written a pid file, if it lives and is the QEMU that was told to. */
async function endStray(pidFile: string): Promise<boolean> {
  const pid = Number((await readIfExists(pidFile))?.trim());
  if (!Number.isInteger(pid) || pid <= 1) return false;
  const lives = async () => {
    const commandLine = await readIfExists(`/proc/${pid}/cmdline`).catch(() => null);
    return commandLine?.split('\0').includes(pidFile) === true;
  };
  if (!(await lives())) return false;
  process.kill(pid, 'SIGKILL');
  for (let waited = 0; waited < 5000 && (await lives()); waited += 50) await sleep(50);
  return true;
}

/** The pid in QEMU's pid file. @throws ExuviaError `lab-start-failed` when it is none. */
export async function readPid(path: string): Promise<number> {
  const pid = Number((await readFile(path, 'utf8')).trim());
  if (Number.isInteger(pid) && pid > 1) return pid;
  throw new ExuviaError('lab-start-failed', `${path} holds no process id.`);
}
