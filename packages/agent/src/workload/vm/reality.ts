import { access } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ExuviaError, nicsOf, type Vm, type VmSpec } from '@exuvia/contract';
import { queryStatus, queryVersion } from '@exuvia/qemu';
import type { VmDependencies, VmPaths } from './dependencies.ts';
import { type Instance, instanceBeside, readInstance } from './instance.ts';
import type { Monitors } from './monitors.ts';
import { findProcess, type VmProcess } from './process.ts';
import { lastLine } from './text-file.ts';

/** What is really there of a VM, looked up anew each time; nothing of it is remembered. */
export interface Reality {
  readonly instance: Instance | null;
  /** Why the instance file cannot be used. */
  readonly instanceProblem: string | null;
  readonly process: VmProcess | null;
  /** QEMU's word for its state; `null` when it does not answer. Only with a process. */
  readonly status: string | null;
  /** The version of that QEMU; `null` when it does not answer. */
  readonly qemu: string | null;
  /** A state from an update lies in the store, or on disk. */
  readonly saved: boolean;
  readonly lastLogLine: string | null;
}

export async function lookAt(
  name: string,
  dependencies: Pick<VmDependencies, 'paths' | 'timeoutMs'>,
  monitors: Monitors,
  { answerWithinMs }: { readonly answerWithinMs?: number } = {},
): Promise<Reality> {
  const paths = dependencies.paths(name);
  const [instance, found, saved] = await Promise.all([
    instanceOf(paths).catch(asProblem),
    findProcess(paths),
    exists(paths.deviceState).then(async (inStore) => inStore || (await exists(paths.savedState))),
  ]);
  const { status, qemu } = found === null ? SILENT : await within(answerWithinMs, statusOf(name, monitors));
  // It may have ended instead of answering.
  const process = found === null || status !== null ? found : await findProcess(paths);
  return {
    instance: typeof instance === 'string' ? null : instance,
    instanceProblem: typeof instance === 'string' ? instance : null,
    process,
    status,
    qemu,
    saved,
    lastLogLine: process === null && instance !== null ? await lastLine(paths.qemuLog) : null,
  };
}

/** A store in memory is empty after a reboot through firmware: then what lies beside the saved state counts. */
async function instanceOf(paths: VmPaths): Promise<Instance | null> {
  const own = await readInstance(paths.instance);
  if (own !== null || !(await exists(paths.savedState))) return own;
  return readInstance(instanceBeside(paths.savedState));
}

/** The VM as the API shows it. Pure. */
export function toVm(name: string, spec: VmSpec, reality: Reality, paths: VmPaths): Vm {
  const { state, reason } = stateOf(reality);
  const { instance, process } = reality;
  // A spec that was edited since counts from the next start on.
  const current = process === null ? spec : (instance?.spec ?? spec);
  const nics = nicsOf(current).map(({ mac, tap }) => ({
    mac,
    bridge: tap?.bridge ?? null,
    tap: tap?.name ?? null,
  }));
  return {
    name,
    state,
    spec: current,
    pid: process?.pid ?? null,
    scope: process === null ? null : paths.scope,
    startedAt: instance?.startedAt ?? null,
    ramFile: instance !== null ? paths.ram : null,
    console: process !== null && current.serial ? paths.console : null,
    qemu: reality.qemu,
    ...(nics.length === 0 ? {} : { nics }),
    ...(reason === null ? {} : { reason }),
    // A QEMU that is still loading it has been left by somebody who was killed, or will be done in a moment.
    ...(reality.saved && (process === null || reality.status === 'inmigrate') ? { saved: true } : {}),
  };
}

/** A VM of which nothing is left. Pure. */
export function gone(vm: Vm): Vm {
  return { ...vm, state: 'stopped', pid: null, scope: null, startedAt: null, ramFile: null, console: null };
}

/** QEMU's states (RunState in qapi/run-state.json) in which the guest is in trouble. */
const TROUBLE: ReadonlySet<string> = new Set(['guest-panicked', 'internal-error', 'watchdog']);

const NO_ROOM =
  'QEMU says: io-error. One of its disks could not be written; once there is room, `exuvia vm start` lets it run on.';

export function stateOf(reality: Reality): { state: Vm['state']; reason: string | null } {
  const { process, status, instance, instanceProblem } = reality;
  if (process !== null && status === null) {
    return { state: 'failed', reason: `QEMU (pid ${process.pid}) does not answer on its monitor.` };
  }
  if (status !== null) {
    if (status === 'running') return { state: 'running', reason: null };
    if (status === 'io-error') return { state: 'failed', reason: NO_ROOM };
    if (TROUBLE.has(status)) return { state: 'failed', reason: `QEMU says: ${status}.` };
    return { state: 'paused', reason: `QEMU says: ${status}.` };
  }
  if (instanceProblem !== null) return { state: 'failed', reason: instanceProblem };
  if (instance === null && !reality.saved) return { state: 'stopped', reason: null };
  return { state: 'failed', reason: whyItEnded(reality) };
}

function whyItEnded({ saved, lastLogLine }: Reality): string {
  if (saved) return 'It was saved for an update and has not been restored.';
  const log = lastLogLine === null ? '' : ` Its log ends with: ${lastLogLine}`;
  return `Its QEMU has ended.${log}`;
}

const SILENT = { status: null, qemu: null } as const;

async function statusOf(name: string, monitors: Monitors): Promise<Pick<Reality, 'status' | 'qemu'>> {
  try {
    const client = await monitors.get(name);
    const [{ status }, qemu] = await Promise.all([queryStatus(client), queryVersion(client)]);
    return { status, qemu };
  } catch {
    // Silence is a fact about the VM here; whoever wants to talk to it gets the error.
    return SILENT;
  }
}

/** Whoever is only counting VMs does not wait for one that hangs. */
async function within<Status>(
  ms: number | undefined,
  status: Promise<Status>,
): Promise<Status | typeof SILENT> {
  if (ms === undefined) return status;
  const enough = new AbortController();
  try {
    return await Promise.race([status, sleep(ms, SILENT, { signal: enough.signal })]);
  } finally {
    enough.abort();
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function asProblem(error: unknown): string {
  if (error instanceof ExuviaError) return error.message;
  throw error;
}
