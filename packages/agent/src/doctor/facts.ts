import { access } from 'node:fs/promises';
import type { ExuviaError } from '@exuvia/contract';
import {
  type BootLoader,
  type ClockFacts,
  clockFacts,
  detectBootLoader,
  type InstalledKernel,
  installedKernels,
  type KernelConfig,
  type KexecFacts,
  kernelCommandLine,
  kernelConfig,
  kernelRelease,
  kexecFacts,
  type Lockdown,
  lockdown,
  madeBy,
  mountOf,
  readIfExists,
  type SecureBoot,
  secureBoot,
  splitCommandLine,
} from '@exuvia/sys';
import { readSetupRecord, type SetupRecord } from '../setup/index.ts';

/** What lies below a file system. */
type BlockKind = 'disk' | 'device-mapper' | 'raid' | 'none';

interface RootFileSystem {
  readonly type: string;
  readonly source: string;
  readonly below: BlockKind;
}

/** What a QEMU binary can do; packages/qemu finds it out. */
export interface QemuAbilities {
  readonly binary: string;
  readonly version: string;
  readonly migrationModes: readonly string[];
  readonly migrationCapabilities: readonly string[];
  readonly auxRamShare: boolean;
}

/** What the doctor judges a host by. */
export interface DoctorFacts {
  readonly kernel: string;
  readonly config: KernelConfig | null;
  readonly kernels: readonly InstalledKernel[];
  readonly commandLine: readonly string[];
  readonly setup: SetupRecord | null;
  readonly kexec: KexecFacts;
  /** kexec-tools. */
  readonly kexecProgram: boolean;
  readonly lockdown: Lockdown | null;
  readonly secureBoot: SecureBoot;
  readonly qemu: QemuAbilities | ExuviaError;
  readonly memory: { readonly totalBytes: number; readonly availableBytes: number };
  readonly bootLoader: BootLoader['kind'] | null;
  readonly root: RootFileSystem | null;
  readonly clock: ClockFacts;
  readonly kvm: boolean;
}

/** Collects the facts of this machine. `qemu`: what the probe said, or why it could not. */
export async function doctorFacts(qemu: QemuAbilities | ExuviaError): Promise<DoctorFacts> {
  const [
    config,
    kernels,
    commandLine,
    setup,
    kexec,
    kexecProgram,
    lock,
    secure,
    memory,
    loader,
    root,
    clock,
    kvm,
  ] = await Promise.all([
    kernelConfig(kernelRelease()),
    installedKernels(),
    kernelCommandLine(),
    readSetupRecord().catch(() => null),
    kexecFacts(),
    anyExists('/usr/sbin/kexec', '/sbin/kexec'),
    lockdown(),
    secureBoot(),
    memoryFacts(),
    detectBootLoader(),
    rootFileSystem().catch(() => null),
    clockFacts(),
    anyExists('/dev/kvm'),
  ]);
  return {
    kernel: kernelRelease(),
    config,
    kernels,
    commandLine: splitCommandLine(commandLine),
    setup,
    kexec,
    kexecProgram,
    lockdown: lock,
    secureBoot: secure,
    qemu,
    memory,
    bootLoader: loader?.kind ?? null,
    root,
    clock,
    kvm,
  };
}

async function memoryFacts(): Promise<DoctorFacts['memory']> {
  const text = (await readIfExists('/proc/meminfo')) ?? '';
  return { totalBytes: parseMeminfo(text, 'MemTotal'), availableBytes: parseMeminfo(text, 'MemAvailable') };
}

/** A value of /proc/meminfo in bytes; 0 when it is not there. */
export function parseMeminfo(text: string, name: string): number {
  const match = new RegExp(`^${name}:\\s+([0-9]+) kB$`, 'm').exec(text);
  return Number(match?.[1] ?? 0) * 1024;
}

async function rootFileSystem(): Promise<RootFileSystem> {
  const { type, source, device } = await mountOf('/');
  // A file system without a device number of its own is refused by its type.
  const maker = device.startsWith('0:') ? 'none' : await madeBy(device);
  return { type, source, below: maker === null ? 'disk' : (KINDS[maker] ?? 'none') };
}

const KINDS: Readonly<Record<string, BlockKind>> = { dm: 'device-mapper', md: 'raid' };

async function anyExists(...paths: string[]): Promise<boolean> {
  const found = await Promise.all(
    paths.map((path) =>
      access(path).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}
