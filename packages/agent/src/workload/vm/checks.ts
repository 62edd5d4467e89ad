import type { Check, VmSpec } from '@exuvia/contract';
import { cprRebootBlockers } from '@exuvia/qemu';
import { argumentChecks } from './argument-checks.ts';
import type { VmDependencies, VmPaths } from './dependencies.ts';
import { diskCheck } from './disk-check.ts';
import type { Instance } from './instance.ts';
import type { Monitors } from './monitors.ts';
import { bridgeChecks, networkChecks } from './network-checks.ts';
import { type Reality, stateOf } from './reality.ts';

/** Can this VM be taken through an update? Never throws for what is wrong with the VM. */
export async function checkVm(
  name: string,
  spec: VmSpec | null,
  reality: Reality,
  { paths, network }: { readonly paths: VmPaths } & Pick<VmDependencies, 'network'>,
  monitors: Monitors,
): Promise<Check[]> {
  const { process, instance } = reality;
  if (process === null) return [deadCheck(name, reality), ...(await bridgeChecks(spec, network))];
  const checks = [await monitorCheck(name, reality), lockCheck(name, process.locked)];
  if (instance === null) {
    checks.push({
      id: 'vm-instance-known',
      subject: name,
      verdict: 'fail',
      reason: reality.instanceProblem ?? 'It is not known what the VM was started with.',
      remedy: `Stop and start the VM: exuvia vm stop ${name}; exuvia vm start ${name}`,
    });
  } else {
    checks.push(...argumentChecks(name, instance.commandLine, paths.ram), specCheck(name, instance, spec));
    checks.push(...(await networkChecks(instance.spec, network)));
  }
  if (reality.status !== null) {
    checks.push(await blockerCheck(name, monitors));
    if (instance !== null) checks.push(await diskCheck(name, instance.spec.disks, process.pid, monitors));
  }
  return checks;
}

function deadCheck(name: string, reality: Reality): Check {
  const { state, reason } = stateOf(reality);
  if (state === 'stopped') {
    return {
      id: 'vm-state',
      subject: name,
      verdict: 'ok',
      reason: 'It is stopped: an update leaves it alone.',
    };
  }
  return {
    id: 'vm-state',
    subject: name,
    verdict: 'warn',
    reason: reason ?? 'It does not run.',
    remedy: `Start it anew: exuvia vm start ${name}; or give it up: exuvia vm stop ${name}`,
  };
}

async function monitorCheck(name: string, reality: Reality): Promise<Check> {
  const { state, reason } = stateOf(reality);
  const common = { id: 'vm-state', subject: name };
  if (state === 'running') return { ...common, verdict: 'ok', reason: 'It runs and its QEMU answers.' };
  return {
    ...common,
    verdict: state === 'paused' ? 'warn' : 'fail',
    reason: reason ?? `It is ${state}.`,
    remedy: 'Look at its console and its QEMU log.',
  };
}

function lockCheck(name: string, locked: boolean): Check {
  const common = { id: 'vm-memory-locked', subject: name };
  if (locked) return { ...common, verdict: 'ok', reason: 'Its QEMU holds the lock on its memory.' };
  return {
    ...common,
    verdict: 'fail',
    reason: 'Its QEMU holds no lock on its memory, so a second one could be started on it.',
    remedy: `Stop and start the VM: exuvia vm stop ${name}; exuvia vm start ${name}`,
  };
}

function specCheck(name: string, { spec: startedWith }: Instance, spec: VmSpec | null): Check {
  const common = { id: 'vm-spec-unchanged', subject: name };
  if (spec !== null && JSON.stringify(spec) === JSON.stringify(startedWith)) {
    return { ...common, verdict: 'ok', reason: 'It runs as its spec says.' };
  }
  return {
    ...common,
    verdict: 'warn',
    reason:
      spec === null
        ? 'Its spec is missing or invalid; it keeps running as it was started.'
        : 'Its spec was changed after it was started; an update carries it over as it was started.',
    remedy: 'Stop and start the VM for the spec to take effect.',
  };
}

async function blockerCheck(name: string, monitors: Monitors): Promise<Check> {
  const common = { id: 'vm-migration-blockers', subject: name };
  try {
    const blockers = await cprRebootBlockers(await monitors.get(name));
    if (blockers.length === 0) return { ...common, verdict: 'ok', reason: 'QEMU can save its state.' };
    return {
      ...common,
      verdict: 'fail',
      reason: `QEMU cannot save its state: ${blockers.join('; ')}.`,
      remedy: 'Remove the device from its spec, or stop the VM for the update.',
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { ...common, verdict: 'fail', reason: `QEMU cannot be asked: ${reason}` };
  }
}
