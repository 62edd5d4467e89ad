import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, open, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { ExuviaError, HOST_PATHS } from '@exuvia/contract';
import {
  INCOMING_ARGUMENTS,
  loadFromFile,
  QmpClient,
  rehearsalCommandLine,
  rehearsalMonitor,
  saveToFile,
} from '@exuvia/qemu';
import { readIfExists } from '@exuvia/sys';

const START_TIMEOUT_MS = 60_000;

export interface RehearsedVm {
  readonly name: string;
  /** The complete argv of the restore; the first element is an absolute path. */
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** The QEMU that saves, where it is another one than the one that restores. */
  readonly savedBy?: {
    readonly argv: readonly string[];
    readonly environment: Readonly<Record<string, string>>;
  };
}

export interface RehearsalOptions {
  /** A directory that lasts as long as this boot: what has been rehearsed in it once is not again. */
  readonly record: string;
  /** A directory on a memory file system; removed afterwards. */
  readonly directory: string;
  readonly memoryBytes: number;
  readonly cpus: string | undefined;
  readonly signal: AbortSignal;
  /** Default: that of the installed package. */
  readonly launcher?: string;
}

/**
 * Saves and restores a machine like the VM's with the QEMU and the arguments that the early restore will use,
 * while the VM runs: a QEMU that does not start, or cannot take up what it has saved, is found out before
 * anything is paused. The machine has memory, sockets and disks of its own and never executes an instruction.
 *
 * @throws ExuviaError `rehearsal-failed`, naming the VM, with what QEMU said.
 */
export async function rehearseRestore(vm: RehearsedVm, options: RehearsalOptions): Promise<void> {
  const { directory } = options;
  const done = join(options.record, await keyOf(vm));
  if ((await readIfExists(done)) !== null) return;
  await endRehearsal(directory);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const incoming = new Set<string>(INCOMING_ARGUMENTS);
  const commandLine = rehearsalCommandLine(vm.argv, directory);
  const state = join(directory, 'state');
  try {
    const memory = await open(join(directory, 'ram'), 'wx', 0o600);
    await memory.truncate(options.memoryBytes);
    await memory.close();
    const saver = vm.savedBy ?? vm;
    const source = rehearsalCommandLine(saver.argv, directory).filter((word) => !incoming.has(word));
    await withQemu(saver, [...source, '-S'], options, (client) =>
      saveToFile(client, state, { ram: 'in-place' }),
    );
    await withQemu(vm, [...commandLine, '-S'], options, (client) =>
      loadFromFile(client, state, { ram: 'in-place' }),
    );
    await mkdir(options.record, { recursive: true, mode: 0o700 });
    await writeFile(done, '');
  } catch (cause) {
    if (options.signal.aborted) throw options.signal.reason;
    const said = ((await readIfExists(join(directory, 'output'))) ?? '')
      .trim()
      .split('\n')
      .slice(-3)
      .join('; ');
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ExuviaError(
      'rehearsal-failed',
      `VM ${vm.name} could not be restored in a rehearsal: ${reason}`,
      {
        cause,
        hint: hintOf(said),
      },
    );
  } finally {
    await endRehearsal(directory);
  }
}

function hintOf(said: string): string {
  if (said === '') return 'Its arguments may not fit this QEMU.';
  // QEMU 10.0.13 makes larger rings than 11.1 takes (packages/qemu/src/command-line/networks.ts).
  const rings = /vring\.num .* exceeds allocated max/.test(said)
    ? ' Devices of virtio that began in the one QEMU do not fit the other: give its NICs `model: vmxnet3`, `guestAgent: isa-serial` instead of virtio-serial, no `vsockCid`; stop and start it.'
    : '';
  return `QEMU said: ${said}.${rings}`;
}

/** Same QEMUs, same machine: the same rehearsal, whichever VM it is for. */
async function keyOf(vm: RehearsedVm): Promise<string> {
  const sides = [vm, ...(vm.savedBy === undefined ? [] : [vm.savedBy])];
  const parts = await Promise.all(
    sides.map(async ({ argv, environment }) => [await buildOf(argv[0] ?? ''), machineOf(argv), environment]),
  );
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

/** Which build a file is: it may be replaced, and that of a running QEMU has another name for each process. */
export async function buildOf(binary: string): Promise<string> {
  const { dev, ino, mtimeMs, size } = await stat(binary);
  return [dev, ino, mtimeMs, size].join(':');
}

/** Who a machine is, and what its kernel is told, is no part of it. */
function machineOf(argv: readonly string[]): string[] {
  const words = rehearsalCommandLine(argv.slice(1), '');
  return words.filter((_, index) => !['-uuid', '-append'].includes(words[index - 1] ?? ''));
}

/** Ends a rehearsal that an agent which was killed left behind, and removes its files. Idempotent. */
export async function endRehearsal(directory: string): Promise<void> {
  const pid = Number((await readIfExists(join(directory, 'pid')))?.trim() ?? '0');
  const commandLine = pid > 0 ? ((await readIfExists(`/proc/${pid}/cmdline`)) ?? '') : '';
  if (commandLine.includes(join(directory, 'ram'))) process.kill(pid, 'SIGKILL');
  await rm(directory, { recursive: true, force: true });
}

async function withQemu(
  vm: Pick<RehearsedVm, 'environment'>,
  commandLine: readonly string[],
  { directory, cpus, signal, launcher = `${HOST_PATHS.native}/exuvia-launch` }: RehearsalOptions,
  work: (client: QmpClient) => Promise<void>,
): Promise<void> {
  const output = await open(join(directory, 'output'), 'a', 0o600);
  const where = cpus === undefined ? [] : ['--cpus', cpus];
  const child = spawn(launcher, ['--lock', join(directory, 'ram'), ...where, '--', ...commandLine], {
    stdio: ['ignore', output.fd, output.fd],
    env: vm.environment,
  });
  const ended = once(child, 'close');
  // Without a listener a program that cannot be started would end this process.
  ended.catch(() => {});
  try {
    const client = await connect(
      rehearsalMonitor(directory),
      () => child.exitCode ?? child.signalCode,
      signal,
    );
    await work(client);
    client.close();
  } finally {
    child.kill('SIGKILL');
    await ended.catch(() => {});
    await output.close();
    await rm(rehearsalMonitor(directory), { force: true });
  }
}

async function connect(
  path: string,
  ended: () => number | string | null,
  signal: AbortSignal,
): Promise<QmpClient> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    signal.throwIfAborted();
    try {
      return await QmpClient.connect(path);
    } catch (cause) {
      const how = ended();
      if (how !== null) throw new ExuviaError('qemu-ended', `QEMU ended with ${how}.`, { cause });
      if (Date.now() > deadline) throw new ExuviaError('qemu-silent', 'QEMU did not answer.', { cause });
      await setTimeout(20);
    }
  }
}
