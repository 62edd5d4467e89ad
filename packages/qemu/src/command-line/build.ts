import { nicsOf, type VmSpec } from '@exuvia/contract';
import { channelArguments } from './channels.ts';
import { diskArguments } from './disks.ts';
import { vmUuid } from './identity.ts';
import { networkArguments } from './networks.ts';

/** Where a VM's files lie; `vmPaths` of the contract has them all. */
export interface CommandLinePaths {
  readonly ram: string;
  readonly qmp: string;
  readonly handoverQmp: string;
  readonly console: string;
  readonly guestAgent: string;
  readonly pidFile: string;
  readonly consoleLog: string;
  readonly qemuLog: string;
}

export interface CommandLineOptions {
  /** QEMU's absolute path: the early restore has no PATH. */
  readonly binary: string;
  /** `tcg` is for tests on machines without KVM; the CPU model `host` then becomes `max`. */
  readonly accelerator?: 'kvm' | 'tcg';
  /** QEMU may execute another program, which cpr-exec needs. Default: no. */
  readonly allowExec?: boolean;
}

/** What makes a QEMU wait for a saved state instead of starting the guest. */
export const INCOMING_ARGUMENTS: readonly string[] = ['-incoming', 'defer'];

/**
 * The memory backend that every VM has. `align`: only where memory and file are aligned alike does the kernel map 2 MiB at
 * once (Linux fs/dax.c, dax_iomap_pmd_fault), for QEMU and for the guest: after a restore every page is mapped anew.
 */
export const RAM_ID = 'ram0';

/**
 * The complete command line that starts a VM, its binary first. The same spec always gives the same one,
 * and everything that CPR needs is set (docs/devel/migration/CPR.rst of QEMU 10.0): RAM in a shared named
 * file, `aux-ram-share=on`, a versioned machine.
 */
export function startCommandLine(
  spec: VmSpec,
  paths: CommandLinePaths,
  options: CommandLineOptions,
): string[] {
  return [
    options.binary,
    ...identity(spec),
    ...sandbox(options.allowExec ?? false),
    ...machine(spec, paths, options.accelerator ?? 'kvm'),
    ...monitors(paths),
    ...(spec.serial ? serialConsole(paths) : []),
    '-pidfile',
    paths.pidFile,
    '-D',
    paths.qemuLog,
    ...boot(spec),
    ...spec.disks.flatMap((disk, index) => diskArguments(disk, index, spec.machine)),
    ...channelArguments(spec, paths.guestAgent),
    ...nicsOf(spec).flatMap((nic, index) => networkArguments(nic, index, spec.machine)),
    ...spec.extraArgs,
  ];
}

/** The command line that restores what {@link startCommandLine} started: the same machine, waiting. */
export function restoreCommandLine(startedWith: readonly string[]): string[] {
  return [...startedWith, ...INCOMING_ARGUMENTS];
}

/** libvirt's set. With it QEMU can start no program (unless told to) and gain no privilege. */
function sandbox(allowExec: boolean): string[] {
  const spawn = allowExec ? 'allow' : 'deny';
  return ['-sandbox', `on,obsolete=deny,elevateprivileges=deny,spawn=${spawn},resourcecontrol=deny`];
}

function identity({ name }: VmSpec): string[] {
  return [
    '-name',
    `${name},process=exuvia-${name}`,
    '-uuid',
    vmUuid(name),
    '-no-user-config',
    '-nodefaults',
    '-display',
    'none',
  ];
}

/**
 * Without an HPET: a guest has better clocks (kvm-clock, the APIC's timer), and one that lets it tick all the same keeps a thread
 * of QEMU busy: it is the one timer that KVM does not emulate in the kernel (Linux guests with C3STOP, hence without ARAT).
 */
function machine(spec: VmSpec, paths: CommandLinePaths, accelerator: 'kvm' | 'tcg'): string[] {
  const cpu = accelerator === 'tcg' ? spec.cpu.replace(/^host(?=,|$)/, 'max') : spec.cpu;
  return [
    '-object',
    `memory-backend-file,id=${RAM_ID},size=${spec.memory.replace(/iB$/, '')},mem-path=${paths.ram},share=on,align=2M`,
    '-machine',
    `${spec.machine},hpet=off,memory-backend=${RAM_ID},aux-ram-share=on`,
    '-accel',
    accelerator,
    '-cpu',
    cpu,
    '-smp',
    String(spec.vcpus),
    '-m',
    spec.memory.replace(/iB$/, ''),
  ];
}

function monitors(paths: CommandLinePaths): string[] {
  return [monitor('qmp0', paths.qmp), monitor('handover0', paths.handoverQmp)].flat();
}

function monitor(id: string, path: string): string[] {
  return [
    '-chardev',
    `socket,id=${id},path=${path},server=on,wait=off`,
    '-mon',
    `chardev=${id},mode=control`,
  ];
}

function serialConsole(paths: CommandLinePaths): string[] {
  const log = `logfile=${paths.consoleLog},logappend=on`;
  return [
    '-chardev',
    `socket,id=serial0,path=${paths.console},server=on,wait=off,${log}`,
    '-serial',
    'chardev:serial0',
  ];
}

function boot({ boot: how }: VmSpec): string[] {
  if ('firmware' in how) return ['-bios', how.firmware];
  return [
    '-kernel',
    how.kernel,
    ...(how.initrd === undefined ? [] : ['-initrd', how.initrd]),
    ...(how.cmdline === '' ? [] : ['-append', how.cmdline]),
  ];
}
