import { mkdir, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ExuviaError, expandCpuList, type VmSpec } from '@exuvia/contract';
import type { QmpClient } from '@exuvia/qemu';
import type { VmDependencies } from './dependencies.ts';
import type { Monitors } from './monitors.ts';
import { findProcess, kill, waitForEnd } from './process.ts';
import type { Started } from './scopes.ts';
import { tapArguments } from './taps.ts';
import { sizeOf, tail } from './text-file.ts';

type Needs = Pick<VmDependencies, 'config' | 'launcher' | 'paths' | 'scopes' | 'timeoutMs'>;

/**
 * exuvia-launch with its arguments, then QEMU's own command line.
 *
 * @throws ExuviaError `cpus-not-for-vms` when the spec names CPUs that agent.yaml keeps from VMs.
 */
export function launchCommand(
  ramFile: string,
  spec: VmSpec,
  commandLine: readonly string[],
  { config, launcher }: Pick<VmDependencies, 'config' | 'launcher'>,
): string[] {
  const list = cpusOf(spec.cpuAffinity, config().vmCpus);
  const cpus = list === undefined ? [] : ['--cpus', list];
  const niceness = spec.nice === 0 ? [] : ['--nice', String(spec.nice)];
  return [launcher, '--lock', ramFile, ...cpus, ...niceness, ...tapArguments(spec), '--', ...commandLine];
}

function cpusOf(own: string | undefined, all: string | undefined): string | undefined {
  if (own === undefined || all === undefined) return own ?? all;
  const allowed = new Set(expandCpuList(all));
  const others = expandCpuList(own).filter((cpu) => !allowed.has(cpu));
  if (others.length === 0) return own;
  throw new ExuviaError('cpus-not-for-vms', `CPU ${others.join(', ')} of its cpuAffinity is not for VMs.`, {
    hint: `vmCpus in /etc/exuvia/agent.yaml is ${all}.`,
  });
}

/**
 * Starts QEMU in the VM's scope and returns when its monitor answers.
 *
 * @throws ExuviaError `vm-start-failed` with the end of QEMU's log; no QEMU is left then.
 */
export async function launch(
  spec: VmSpec,
  commandLine: readonly string[],
  needs: Needs,
  monitors: Monitors,
): Promise<QmpClient> {
  const { name } = spec;
  const paths = needs.paths(name);
  await rm(paths.runtime, { recursive: true, force: true });
  await mkdir(paths.runtime, { recursive: true, mode: 0o700 });
  // Of a QEMU that died a moment ago: its lock may still be held.
  await waitForEnd(paths, needs.timeoutMs);
  await monitors.drop(name);
  const logStart = await sizeOf(paths.qemuLog);
  const command = launchCommand(paths.ram, spec, commandLine, needs);
  try {
    const started = await needs.scopes.start(paths.scope, command, paths.qemuLog, spec.limits);
    return await answering(name, started, needs.timeoutMs, monitors);
  } catch (cause) {
    await endAtOnce(name, needs);
    const log = await tail(paths.qemuLog, logStart);
    const why = log === '' && cause instanceof Error ? cause.message : log;
    throw new ExuviaError('vm-start-failed', `VM ${name} did not start: ${why}`, {
      cause,
      hint: `QEMU's log is ${paths.qemuLog}.`,
    });
  }
}

/** Ends a VM's QEMU without asking it, and waits until it is gone. */
export async function endAtOnce(name: string, { paths, timeoutMs }: Pick<Needs, 'paths' | 'timeoutMs'>) {
  const process = await findProcess(paths(name));
  if (process === null) return;
  kill(process.pid);
  if (await waitForEnd(paths(name), timeoutMs)) return;
  throw new ExuviaError('vm-stop-failed', `QEMU (pid ${process.pid}) of VM ${name} cannot be ended.`, {
    hint: 'It is probably stuck in the kernel, waiting for storage.',
  });
}

async function answering(
  name: string,
  started: Started,
  timeoutMs: number,
  monitors: Monitors,
): Promise<QmpClient> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await monitors.get(name);
    } catch (cause) {
      const code = started.exitCode();
      if (code !== null) throw new ExuviaError('vm-start-failed', `QEMU ended with exit code ${code}.`);
      if (Date.now() > deadline) {
        throw new ExuviaError('vm-start-failed', `QEMU did not answer within ${timeoutMs} ms.`, { cause });
      }
    }
    await sleep(20);
  }
}
