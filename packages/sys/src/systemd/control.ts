import { readIfExists } from '../files/read.ts';
import { run } from '../process/run.ts';

/** Stopping may take as long as a service's own stop timeout, 90 s by default. */
const JOB_TIMEOUT_MS = 180_000;

/** Stops units and waits until they are stopped. Units that do not run are no error. */
export async function stopUnits(names: readonly string[]): Promise<void> {
  if (names.length > 0) await run('systemctl', ['stop', '--', ...names], { timeoutMs: JOB_TIMEOUT_MS });
}

/** Starts units and waits until they are active. Units that run already are no error. */
export async function startUnits(names: readonly string[]): Promise<void> {
  if (names.length > 0) await run('systemctl', ['start', '--', ...names], { timeoutMs: JOB_TIMEOUT_MS });
}

/** Makes systemd read changed unit files. */
export async function reloadSystemd(): Promise<void> {
  await run('systemctl', ['daemon-reload'], { timeoutMs: JOB_TIMEOUT_MS });
}

/** True while a unit is active. */
export async function isUnitActive(name: string): Promise<boolean> {
  const { exitCode } = await run('systemctl', ['is-active', '--quiet', '--', name], { allowFailure: true });
  return exitCode === 0;
}

/** The unit that a process belongs to (`ssh.service`, `exuvia-vm-a.scope`); `null` for no or no such process. */
export async function unitOfPid(pid: number): Promise<string | null> {
  const text = await readIfExists(`/proc/${pid}/cgroup`);
  return text === null ? null : unitOfCgroup(text);
}

/** Reads /proc/PID/cgroup of the unified hierarchy: `0::/exuvia.slice/exuvia-vm-a.scope`. */
export function unitOfCgroup(text: string): string | null {
  const path = /^0::(.*)$/m.exec(text)?.[1] ?? '';
  return path.split('/').findLast((part) => /\.(service|scope)$/.test(part)) ?? null;
}

export interface ScopeRequest {
  /** `exuvia-vm-a.scope`. */
  readonly name: string;
  readonly slice: string;
  readonly description: string;
  readonly pids: readonly number[];
  /** Properties of resource control, all of which are 64-bit numbers. */
  readonly limits?: readonly { readonly name: string; readonly value: bigint }[];
}

/**
 * Moves running processes into a new scope: systemd then knows them, and they live on whatever happens to
 * the service that started them. `systemd-run --scope` can do that only for what it starts itself.
 */
export async function adoptIntoScope(request: ScopeRequest): Promise<void> {
  const properties = [
    ['Description', 's', request.description],
    ['Slice', 's', request.slice],
    ['PIDs', 'au', String(request.pids.length), ...request.pids.map(String)],
    ['CollectMode', 's', 'inactive-or-failed'],
    ...(request.limits ?? []).map(({ name, value }) => [name, 't', String(value)]),
  ];
  await run('busctl', [
    'call',
    'org.freedesktop.systemd1',
    '/org/freedesktop/systemd1',
    'org.freedesktop.systemd1.Manager',
    'StartTransientUnit',
    'ssa(sv)a(sa(sv))',
    request.name,
    'fail',
    String(properties.length),
    ...properties.flat(),
    '0',
  ]);
}
