import { cpus, hostname as osHostname, release, totalmem } from 'node:os';
import { readIfExists } from '../files/read.ts';
import { run } from '../process/run.ts';

/** What the doctor, the planner and reports need to know of the machine. */
export interface HostFacts {
  readonly hostname: string;
  readonly bootId: string;
  /** Release of the running kernel, as `uname -r` says it. */
  readonly kernel: string;
  readonly cpuModel: string;
  readonly cpus: number;
  /** Memory that the kernel manages; PMEM regions are not part of it. */
  readonly memoryBytes: number;
  /** The hypervisor below this machine, as systemd-detect-virt names it; `null` on bare metal. */
  readonly hypervisor: string | null;
}

/** Reads all facts; cheap but for one process (systemd-detect-virt). */
export async function hostFacts(): Promise<HostFacts> {
  return {
    hostname: osHostname(),
    bootId: await bootId(),
    kernel: kernelRelease(),
    cpuModel: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: cpus().length,
    memoryBytes: totalmem(),
    hypervisor: await hypervisor(),
  };
}

/** Identity of this boot: changes with every start of a kernel, also through kexec. */
export async function bootId(): Promise<string> {
  return ((await readIfExists('/proc/sys/kernel/random/boot_id')) ?? '').trim();
}

/** Release of the running kernel, as `uname -r` says it. */
export function kernelRelease(): string {
  return release();
}

/** The running kernel's command line, without its line break. */
export async function kernelCommandLine(): Promise<string> {
  return ((await readIfExists('/proc/cmdline')) ?? '').trim();
}

/** The hypervisor below this machine, as systemd-detect-virt names it; `null` on bare metal or without systemd. */
export async function hypervisor(): Promise<string | null> {
  detected ??= detectHypervisor();
  return detected;
}

/** A machine does not change below a running process. */
let detected: Promise<string | null> | undefined;

async function detectHypervisor(): Promise<string | null> {
  const { stdout } = await run('systemd-detect-virt', ['--vm'], { allowFailure: true }).catch(() => ({
    stdout: '',
  }));
  const name = stdout.trim();
  return name === '' || name === 'none' ? null : name;
}

/**
 * True when a kexec started the running kernel, false when firmware and a boot loader did, `null` when the
 * kernel does not say. Linux sets the boot protocol's loader type to 0xD in both kexec paths
 * (arch/x86/kernel/kexec-bzimage64.c; kexec-tools' x86 loader), and shows it as bootloader_type >> 4.
 */
export async function startedByKexec(): Promise<boolean | null> {
  const type = await readIfExists('/proc/sys/kernel/bootloader_type');
  return type === null ? null : isKexecLoader(Number(type.trim()));
}

/** Judges a value of /proc/sys/kernel/bootloader_type. */
export function isKexecLoader(bootloaderType: number): boolean {
  return bootloaderType >> 4 === 0xd;
}
