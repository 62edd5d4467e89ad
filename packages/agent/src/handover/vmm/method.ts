import type { QemuTarget, VmmMethod } from '@exuvia/contract';
import { holdsVsock } from '@exuvia/qemu';
import type { RunningQemu } from '../../kinds.ts';

/** How a VM gets another QEMU, and why not by a cheaper way. */
export interface ChosenMethod {
  readonly method: VmmMethod;
  readonly reason: string;
  /** What keeps an ordered method from working; `null`: nothing. */
  readonly obstacle: string | null;
}

export interface MethodInputs {
  readonly running: RunningQemu;
  readonly target: QemuTarget & { readonly migrationModes: readonly string[] };
  /** The command line that the VM was started with. */
  readonly commandLine: readonly string[];
  readonly ordered: VmmMethod | null;
}

/**
 * Chooses the cheapest method that both QEMUs and the VM are capable of: cpr-transfer (the new QEMU is built while the guest
 * runs), else in-place. cpr-exec is only done by order: the guest stands still while QEMU starts, but keeps its process. Pure.
 */
export function chooseMethod(inputs: MethodInputs): ChosenMethod {
  const { ordered } = inputs;
  const transfer = obstacleToTransfer(inputs);
  if (ordered === 'cpr-exec') {
    return { method: ordered, reason: 'It keeps its process.', obstacle: obstacleToExec(inputs) };
  }
  if (ordered === 'in-place') {
    return { method: ordered, reason: 'Its device state is saved beside its memory.', obstacle: null };
  }
  if (transfer === null || ordered === 'cpr-transfer') {
    return { method: 'cpr-transfer', reason: 'The new QEMU is ready before it pauses.', obstacle: transfer };
  }
  return {
    method: 'in-place',
    reason: `Not by cpr-transfer: ${transfer} So its device state is saved beside its memory, and it stands still while the new QEMU starts.`,
    obstacle: null,
  };
}

function obstacleToTransfer({ running, target, commandLine }: MethodInputs): string | null {
  if (!running.migrationModes.includes('cpr-transfer')) {
    return `QEMU ${running.version} cannot hand a running VM over.`;
  }
  if (!target.migrationModes.includes('cpr-transfer')) {
    return `QEMU ${target.version} cannot take a running VM over.`;
  }
  // 10.0.13 refuses the CPR state of 11.1.3 ("vmstate_load_state error -2"); devices' state it loads.
  if (isOlder(target.version, running.version)) {
    return `QEMU ${target.version} does not understand how QEMU ${running.version} hands a running VM over.`;
  }
  if (holdsVsock(commandLine)) return 'Its vsock address can be held by one QEMU at a time only.';
  return sharesMemory(commandLine);
}

function obstacleToExec({ running, target, commandLine }: MethodInputs): string | null {
  for (const { version, migrationModes } of [running, target]) {
    if (!migrationModes.includes('cpr-exec')) return `QEMU ${version} does not have cpr-exec.`;
  }
  if (commandLine.some((word) => word.includes('spawn=deny'))) {
    return 'Its QEMU may not execute another program; set `allowExec` in /etc/exuvia/agent.yaml, stop and start the VM.';
  }
  return isOlder(target.version, running.version)
    ? `QEMU ${target.version} is older than QEMU ${running.version}.`
    : sharesMemory(commandLine);
}

/** A property of the start: a QEMU without it cannot get it later. */
function sharesMemory(commandLine: readonly string[]): string | null {
  const words = commandLine.flatMap((word) => word.split(','));
  if (words.findLast((word) => word.startsWith('aux-ram-share=')) === 'aux-ram-share=on') return null;
  return 'It was started without aux-ram-share=on.';
}

const byNumbers = new Intl.Collator('en', { numeric: true });

function isOlder(version: string, than: string): boolean {
  return byNumbers.compare(version, than) < 0;
}
