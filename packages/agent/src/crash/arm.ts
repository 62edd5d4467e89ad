import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ExuviaError, HOST_PATHS } from '@exuvia/contract';
import {
  CONSOLE_ENTRY,
  cpioArchive,
  installedKernels,
  isCrashKernelLoaded,
  joinCommandLine,
  kernelRelease,
  loadCrashKernel,
  readIfExists,
  splitCommandLine,
  unloadCrashKernel,
} from '@exuvia/sys';
import { buildInitramfs, earlyNeeds, renderPlan, restoreWithoutVms } from '../handover/kexec/index.ts';
import { CRASH_ARGUMENT, memoryArguments } from './memory-map.ts';

/** Memory that `exuvia setup` reserves for it: the crash kernel, and the kernel and initramfs that it starts. */
export const CRASH_KERNEL_ARGUMENT = 'crashkernel=256M';

/** Arguments that the kernel after the crash must not inherit. */
const TRANSIENT =
  /^(BOOT_IMAGE|initrd|exuvia\.[a-z]+|memmap|tsc_early_khz|lpj|cryptomgr\.notests|panic|elfcorehdr)(=|\.|$)/;

/**
 * Loads the kernel that a panic starts (kexec_file_load with KEXEC_FILE_ON_CRASH): this one once more, in memory that
 * was set aside, with the early restore's init, which does one thing: it starts this kernel anew with all of the
 * machine's memory. Two steps, because only an ordinary jump stops devices that still write to memory.
 *
 * @param crashes how many in a row have led here.
 * @throws ExuviaError `crash-kernel-*`, `kexec-load-failed`.
 */
export async function armCrashKernel(crashes: number): Promise<void> {
  const release = kernelRelease();
  const kernel = (await installedKernels()).find((installed) => installed.release === release);
  if (kernel === undefined) {
    throw new ExuviaError('crash-kernel-missing', `The running kernel ${release} is no longer installed.`);
  }
  if (Number((await readIfExists('/sys/kernel/kexec_crash_size')) ?? '0') === 0) {
    throw new ExuviaError('crash-kernel-no-memory', 'No memory is set aside for a crash kernel.', {
      hint: `Run \`exuvia setup --memory SIZE\` again and restart the host, or put ${CRASH_KERNEL_ARGUMENT} on the kernel command line.`,
    });
  }
  const running = ((await readIfExists('/proc/cmdline')) ?? '').trim();
  const kept = splitCommandLine(running).filter((argument) => !TRANSIENT.test(argument));
  const next = joinCommandLine([
    ...kept,
    ...(await memoryArguments(running)),
    'panic=10',
    `${CRASH_ARGUMENT}=${crashes + 1}`,
  ]);
  const directory = join(HOST_PATHS.runtime, 'crash');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const initrd = join(directory, 'initramfs');
  try {
    await writeFile(initrd, await crashInitramfs(kernel.image, await nextInitramfs(release), next), {
      mode: 0o600,
    });
    await loadCrashKernel({ kernel: kernel.image, initrd, commandLine: crashCommandLine(kept) });
    await writeFile(OWN, '');
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** There while the crash kernel that is loaded is Exuvia's; /run ends with the kernel, as that does. */
const OWN = join(HOST_PATHS.runtime, 'crash-kernel');

/** Frees what {@link armCrashKernel} has loaded; that of another program (kdump) stays. */
export async function disarmCrashKernel(): Promise<void> {
  if ((await readIfExists(OWN)) === null) return;
  if (await isCrashKernelLoaded()) await unloadCrashKernel();
  await rm(OWN, { force: true });
}

/** What the host is started with again: file systems and store, no VM; the agent looks after those. */
async function nextInitramfs(release: string): Promise<Buffer> {
  const needs = await earlyNeeds(release, { vms: [], images: [] });
  return buildInitramfs(release, restoreWithoutVms('crash', needs), needs);
}

/** The crash kernel's own: the init, and what it starts at once. */
async function crashInitramfs(image: string, initramfs: Buffer, commandLine: string): Promise<Buffer> {
  const plan = renderPlan([
    'fallback /next-kernel /next-initramfs',
    `fallback-arguments ${commandLine}`,
    'at-once fallback',
  ]);
  return cpioArchive([
    CONSOLE_ENTRY,
    {
      type: 'file',
      path: 'init',
      mode: 0o755,
      data: await readFile(`${HOST_PATHS.native}/exuvia-early-restore`),
    },
    { type: 'file', path: 'plan', mode: 0o600, data: Buffer.from(plan) },
    { type: 'file', path: 'next-kernel', mode: 0o600, data: await readFile(image) },
    { type: 'file', path: 'next-initramfs', mode: 0o600, data: initramfs },
  ]);
}

/** One CPU, and drivers that do not trust what the crashed kernel left (Linux Documentation/admin-guide/kdump). */
function crashCommandLine(kept: readonly string[]): string {
  const own = kept.filter((argument) => !/^(crashkernel|nr_cpus|maxcpus)=/.test(argument));
  return joinCommandLine([...own, 'nr_cpus=1', 'irqpoll', 'reset_devices', 'panic=10', 'cryptomgr.notests']);
}
