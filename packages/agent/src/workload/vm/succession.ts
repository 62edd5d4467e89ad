import { access, mkdir, readFile, rename, rm, rmdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ExuviaError } from '@exuvia/contract';
import {
  commandLineFor,
  cprSocket,
  machineDifferences,
  QmpClient,
  queryMigration,
  queryStatus,
  stateSocket,
  successorCommandLine,
  undoSave,
} from '@exuvia/qemu';
import { listIfExists, readIfExists } from '@exuvia/sys';
import type { Successors } from '../../kinds.ts';
import type { VmDependencies, VmPaths } from './dependencies.ts';
import { execInto } from './exec.ts';
import { writeInstance } from './instance.ts';
import type { Monitors } from './monitors.ts';
import { notRunning } from './names.ts';
import { findProcess, findSuccessor, kill, waitForPidEnd } from './process.ts';
import type { Reality } from './reality.ts';
import { startProgram } from './scopes.ts';
import { removeState } from './seal.ts';
import { tapArguments } from './taps.ts';
import { sizeOf, tail } from './text-file.ts';

export interface SuccessionNeeds {
  readonly dependencies: VmDependencies;
  readonly monitors: Monitors;
  /** Looks at what is there of a VM, while nobody else does anything to it. */
  inTurn<T>(name: string, work: (reality: Reality) => Promise<T>): Promise<T>;
}

/**
 * One QEMU taking another's place on the same memory. Both live for a moment and share the lock on the memory;
 * which one runs the guest is native/transfer's business. The new one's sockets lie in `next` until the old one is
 * dead, so that a successor that comes to nothing leaves no trace.
 */
export function createSuccessors(needs: SuccessionNeeds): Successors {
  const { inTurn } = needs;
  return {
    start: (name, binary) => inTurn(name, (reality) => start(name, binary, reality, needs)),
    end: (name) => inTurn(name, () => endWaiting(name, needs)),
    differences: (name, binary) => inTurn(name, (reality) => differences(name, binary, reality, needs)),
    install: (name, binary) => inTurn(name, (reality) => install(name, binary, reality, needs)),
    exec: (name, binary) =>
      inTurn(name, (reality) => execInto(name, binary, reality, needs.dependencies, needs.monitors)),
    settle: (name, binary) => inTurn(name, (reality) => settle(name, binary, reality, needs)),
    settleLeft: (name) =>
      inTurn(name, async (reality) => {
        const pid = await findSuccessor(needs.dependencies.paths(name));
        if (pid === null) return null;
        const [binary = ''] = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
        return settle(name, binary, reality, needs);
      }),
    record: (name, binary) =>
      inTurn(name, async ({ instance }) => {
        if (instance === null) return;
        const commandLine = commandLineFor(binary, instance.commandLine);
        await writeInstance(needs.dependencies.paths(name).instance, { ...instance, commandLine });
      }),
  };
}

async function start(
  name: string,
  binary: string,
  { process, instance }: Reality,
  needs: SuccessionNeeds,
): ReturnType<Successors['start']> {
  const { paths, launcher, timeoutMs } = needs.dependencies;
  const { ram, runtime, next, qemuLog, handoverQmp } = paths(name);
  if (process === null || instance === null) throw notRunning(name);
  await end(name, needs);
  await mkdir(next, { recursive: true, mode: 0o700 });
  const machine = commandLineFor(binary, instance.commandLine);
  const commandLine = successorCommandLine(machine, { runtime, next });
  const logStart = await sizeOf(qemuLog);
  const place = ['--lock', ram, '--successor-of', String(process.pid), ...tapArguments(instance.spec)];
  const started = await startProgram([launcher, ...place, '--', ...commandLine], qemuLog);
  for (
    const deadline = Date.now() + timeoutMs;
    !(await listens(started.pid, cprSocket(next)));
    await sleep(10)
  ) {
    const code = started.exitCode();
    if (code === null && Date.now() < deadline) continue;
    const said =
      (await tail(qemuLog, logStart)) || (code === null ? 'it is silent' : `it ended with ${code}`);
    await end(name, needs);
    throw new ExuviaError('successor-failed', `The new QEMU of VM ${name} did not start: ${said}`, {
      hint: `QEMU’s log is ${qemuLog}.`,
    });
  }
  return {
    pid: started.pid,
    oldMonitor: handoverQmp,
    newMonitor: join(next, basename(handoverQmp)),
    cpr: cprSocket(next),
    state: stateSocket(next),
  };
}

/**
 * A socket has a name before anybody can connect to it, and QEMU takes one connection only: nothing may be tried.
 * (/proc/PID/net/unix: `Num: RefCount Protocol Flags ...`; 10000 is __SO_ACCEPTCON.)
 */
async function listens(pid: number, socket: string): Promise<boolean> {
  const sockets = (await readIfExists(`/proc/${pid}/net/unix`)) ?? '';
  return sockets
    .split('\n')
    .some((line) => line.endsWith(` ${socket}`) && /^\S+ \S+ \S+ 00010000 /.test(line));
}

/** Ends a successor that nothing is lost with: one beside which another QEMU has the VM, or that has not got it. */
async function endWaiting(name: string, needs: SuccessionNeeds): Promise<void> {
  const paths = needs.dependencies.paths(name);
  const pid = await findSuccessor(paths);
  if (pid !== null && !(await isThereAnother(paths, pid))) {
    const goesOn = await canGoOn(paths, pid).catch(() => null);
    if (goesOn !== false) throw isAllThereIs(name, pid);
  }
  await end(name, needs);
}

/** Kills a successor and waits until it is dead. */
async function end(name: string, { dependencies }: SuccessionNeeds): Promise<void> {
  const { paths, timeoutMs } = dependencies;
  const { next, ram } = paths(name);
  const pid = await findSuccessor(paths(name));
  if (pid !== null) await endPid(name, pid, ram, timeoutMs);
  await rm(next, { recursive: true, force: true });
}

async function differences(
  name: string,
  binary: string,
  { process, instance }: Reality,
  { dependencies }: SuccessionNeeds,
): Promise<readonly string[]> {
  if (process === null || instance === null) throw notRunning(name);
  const text = await readFile(`/proc/${process.pid}/cmdline`, 'utf8');
  const { runtime, next } = dependencies.paths(name);
  // One that has taken another's place was started with sockets that have moved since.
  const running = text.replace(/\0$/, '').replaceAll(`${next}/`, `${runtime}/`).split('\0');
  return machineDifferences(running, commandLineFor(binary, instance.commandLine)).map(
    ({ side, option }) => `${side === 'only-first' ? 'it lacks' : 'it would add'} ${option}`,
  );
}

/** Each part can be done again by another process: the pid file, by which a successor is known, moves last. */
async function install(name: string, binary: string, { instance }: Reality, needs: SuccessionNeeds) {
  const { paths, timeoutMs, log } = needs.dependencies;
  const { runtime, next, ram, pidFile, instance: file } = paths(name);
  const pid = await findSuccessor(paths(name));
  if (pid === null) return;
  const old = await findProcess(paths(name));
  // It has given everything away and executes nothing any more: there is nothing to ask it for.
  if (old !== null && old.pid !== pid) await endPid(name, old.pid, ram, timeoutMs);
  if (instance !== null) {
    await writeInstance(file, { ...instance, commandLine: commandLineFor(binary, instance.commandLine) });
  }
  await needs.monitors.drop(name);
  await mkdir(runtime, { recursive: true, mode: 0o700 });
  for (const socket of [cprSocket(next), stateSocket(next)]) await rm(socket, { force: true });
  const isPidFile = (one: string) => Number(one === basename(pidFile));
  for (const one of (await listIfExists(next)).sort((a, b) => isPidFile(a) - isPidFile(b))) {
    await rename(join(next, one), join(runtime, one));
  }
  await rmdir(next);
  log.info({ vm: name, pid, binary }, 'A VM runs in another QEMU.');
}

/**
 * After a crash: the successor is the VM's QEMU when it runs the guest, or has everything of it and the old one does
 * not run; else it is killed first, and then the old one runs on.
 */
async function settle(
  name: string,
  binary: string,
  reality: Reality,
  needs: SuccessionNeeds,
): ReturnType<Successors['settle']> {
  const { paths } = needs.dependencies;
  const pid = await findSuccessor(paths(name));
  const goesOn = pid !== null && (await canGoOn(paths(name), pid));
  if (goesOn === true) {
    await install(name, binary, reality, needs);
    return 'new';
  }
  if (goesOn === null && !(await isThereAnother(paths(name), pid))) {
    throw isAllThereIs(name, pid);
  }
  await end(name, needs);
  const old = await findProcess(paths(name));
  if (old === null) return 'lost';
  const client = await needs.monitors.get(name);
  const { running, status } = await queryStatus(client);
  if (running) return 'old';
  if (status === 'inmigrate') {
    throw new ExuviaError('vm-not-restored', `VM ${name} is still loading its saved state.`, {
      hint: `When nobody restores it any more: exuvia recover ${name}`,
    });
  }
  // Nobody may load what was saved of it once it runs on.
  await removeState(paths(name).deviceState);
  await undoSave(client, true);
  return 'old';
}

function isAllThereIs(name: string, pid: number | null): ExuviaError {
  return new ExuviaError(
    'successor-silent',
    `The new QEMU (pid ${pid}) of VM ${name} does not answer. It is all that there is of the VM, and is left alone.`,
    { hint: `It is probably waiting for storage. When it does not any more: exuvia recover ${name}` },
  );
}

/** True when a VM has a QEMU besides this one. */
async function isThereAnother(paths: VmPaths, pid: number | null): Promise<boolean> {
  const old = await findProcess(paths);
  return old !== null && old.pid !== pid;
}

/** Lets the guest run on in the successor if it may, and says whether it does; `null` when it does not answer. */
async function canGoOn(paths: VmPaths, pid: number): Promise<boolean | null> {
  const monitor = join(paths.next, basename(paths.qmp));
  // Without a socket it has not come so far, or they have begun to move, which they do when the old QEMU is dead.
  if (!(await exists(monitor))) return !(await isThereAnother(paths, pid));
  const client = await QmpClient.connect(monitor).catch(() => null);
  if (client === null) return null;
  try {
    if ((await queryStatus(client)).running) return true;
    if ((await queryMigration(client)).status !== 'completed' || (await oldMayRun(paths, pid))) return false;
    await client.execute('cont');
    return true;
  } finally {
    client.close();
  }
}

/** False when the old QEMU is dead, or has said `completed` and does not continue by itself any more. */
async function oldMayRun(paths: VmPaths, successor: number): Promise<boolean> {
  const old = await findProcess(paths);
  if (old === null || old.pid === successor) return false;
  const client = await QmpClient.connect(paths.handoverQmp).catch(() => null);
  if (client === null) return true;
  try {
    return (await queryStatus(client)).status !== 'postmigrate';
  } finally {
    client.close();
  }
}

async function endPid(name: string, pid: number, ramFile: string, timeoutMs: number): Promise<void> {
  kill(pid);
  if (await waitForPidEnd(pid, ramFile, timeoutMs)) return;
  throw new ExuviaError('vm-stop-failed', `QEMU (pid ${pid}) of VM ${name} cannot be ended.`, {
    hint: 'It is probably stuck in the kernel, waiting for storage.',
  });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
