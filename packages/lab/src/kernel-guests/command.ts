import { once } from 'node:events';
import { basename } from 'node:path';
import { ExuviaError, parseSize } from '@exuvia/contract';
import { KERNEL_NAMES, type KernelName } from './kernels.ts';
import { type KernelGuest, startKernelGuest } from './start.ts';

export interface KernelGuestCommand {
  readonly kernel: string;
  readonly cpus: number;
  readonly memory: string;
  readonly levels: string;
  /** Files of this machine for the guest's `/`. */
  readonly files: readonly string[];
  /** A shell command in the guest; its end ends the guest. Without it the guest lives until a signal. */
  readonly run: string | undefined;
}

/** Runs one guest until its command has ended or this process is told to end; returns the exit code. */
export async function runKernelGuest(
  command: KernelGuestCommand,
  announce: (guest: KernelGuest) => void,
): Promise<number> {
  const guest = await startKernelGuest({
    kernel: kernelName(command.kernel),
    cpus: command.cpus,
    memoryBytes: parseSize(command.memory) ?? invalid('memory', command.memory),
    levels: command.levels === '4' ? 4 : command.levels === '5' ? 5 : invalid('levels', command.levels),
    files: command.files.map((source) => ({ path: basename(source), source })),
  });
  try {
    announce(guest);
    if (command.run === undefined) {
      await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
      return 0;
    }
    const { status, output } = await guest.run(command.run, { timeoutMs: 2 ** 31 - 1 });
    process.stdout.write(output);
    return status;
  } finally {
    await guest.stop();
  }
}

function kernelName(name: string): KernelName {
  return KERNEL_NAMES.find((known) => known === name) ?? invalid('guest-kernel', name);
}

function invalid(option: string, value: string): never {
  throw new ExuviaError('usage', `--${option} ${value} is not possible.`, {
    hint: `Kernels: ${KERNEL_NAMES.join(', ')}; memory: a size such as 5G; levels of page tables: 4 or 5.`,
  });
}
