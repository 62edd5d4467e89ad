import { ExuviaError } from '@exuvia/contract';
import { readIfExists } from '../files/read.ts';
import { run } from '../process/run.ts';

export interface KexecImage {
  readonly kernel: string;
  readonly initrd?: string;
  readonly commandLine: string;
}

/** x86's COMMAND_LINE_SIZE, the terminating NUL included: what is longer is cut off silently. */
const COMMAND_LINE_BYTES = 2048;

/**
 * Loads a kernel for a later jump by kexec_file_load, which checks signatures where the kernel asks for
 * them and needs no /dev/mem. An image that was loaded before is replaced.
 *
 * Never by kexec_load, although it could leave out the purgatory's digest: kexec-tools (2.0.29) then goes by the
 * firmware's memory map, in which a region that `memmap=` reserved is ordinary memory, and puts the new kernel
 * into the store.
 *
 * @throws ExuviaError `kexec-load-failed`; `command-line-too-long`.
 */
export async function loadKexec(image: KexecImage): Promise<void> {
  await load('-l', image);
}

/** The same for the kernel that a panic starts. Needs memory that was set aside by `crashkernel=`. */
export async function loadCrashKernel(image: KexecImage): Promise<void> {
  await load('-p', image);
}

async function load(how: '-l' | '-p', image: KexecImage): Promise<void> {
  const bytes = Buffer.byteLength(image.commandLine);
  if (bytes >= COMMAND_LINE_BYTES) {
    throw new ExuviaError(
      'command-line-too-long',
      `The kernel command line has ${bytes} bytes; the kernel takes ${COMMAND_LINE_BYTES - 1}.`,
      { hint: 'Remove arguments from kernelArguments in /etc/exuvia/agent.yaml.' },
    );
  }
  const args = ['-s', how, image.kernel, `--command-line=${image.commandLine}`];
  if (image.initrd !== undefined) args.push(`--initrd=${image.initrd}`);
  const { exitCode, stderr } = await run('kexec', args, { allowFailure: true, timeoutMs: 120_000 });
  if (exitCode !== 0) {
    throw new ExuviaError('kexec-load-failed', `The kernel ${image.kernel} could not be loaded for kexec.`, {
      hint: `kexec said: ${stderr.trim()}`,
    });
  }
}

/** Frees a loaded image; does nothing when none is loaded. */
export async function unloadKexec(): Promise<void> {
  if (await isKexecLoaded()) await run('kexec', ['-s', '-u']);
}

/** True when a kernel is loaded and the jump is possible. */
export async function isKexecLoaded(): Promise<boolean> {
  return (await readIfExists('/sys/kernel/kexec_loaded'))?.trim() === '1';
}

/** True when a panic starts a crash kernel. */
export async function isCrashKernelLoaded(): Promise<boolean> {
  return (await readIfExists('/sys/kernel/kexec_crash_loaded'))?.trim() === '1';
}

export async function unloadCrashKernel(): Promise<void> {
  await run('kexec', ['-s', '-p', '-u']);
}

/** What decides whether this kernel lets a kernel be loaded. */
export interface KexecFacts {
  /** /sys/kernel/kexec_loaded; `null`: the kernel was built without kexec. */
  readonly loaded: boolean | null;
  /** kernel.kexec_load_disabled: once set it cannot be taken back before the next boot. */
  readonly loadDisabled: boolean;
  /** kernel.kexec_load_limit_reboot (Linux 6.3): how many loads are left; `null`: no limit. */
  readonly loadLimit: number | null;
}

export async function kexecFacts(): Promise<KexecFacts> {
  const loaded = await readIfExists('/sys/kernel/kexec_loaded');
  const disabled = await readIfExists('/proc/sys/kernel/kexec_load_disabled');
  const limit = Number((await readIfExists('/proc/sys/kernel/kexec_load_limit_reboot'))?.trim() ?? '-1');
  return {
    loaded: loaded === null ? null : loaded.trim() === '1',
    loadDisabled: disabled?.trim() === '1',
    loadLimit: limit < 0 ? null : limit,
  };
}
