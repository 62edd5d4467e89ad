import { dirname, join } from 'node:path';
import { type CommandLineDifference, compareCommandLines } from './compare.ts';

/** Where Debian's QEMU finds its firmware; one that lies elsewhere brings only what belongs to its own package. */
const FIRMWARE = ['/usr/share/qemu', '/usr/share/seabios', '/usr/lib/ipxe/qemu'] as const;

/** The command line of the same machine in another QEMU. */
export function commandLineFor(binary: string, commandLine: readonly string[]): string[] {
  return [binary, ...firmwareArguments(binary), ...withoutFirmware(commandLine).slice(1)];
}

/**
 * What makes a QEMU take the place of one that runs: the same machine, with its sockets and its pid file in
 * `next` instead of `runtime`, until they can be moved. It waits for the other's descriptors before it builds the
 * machine, then for the state, and executes nothing before `cont` (docs/devel/migration/CPR.rst of QEMU 10.0).
 */
export function successorCommandLine(
  commandLine: readonly string[],
  { runtime, next }: { readonly runtime: string; readonly next: string },
): string[] {
  const moved = commandLine.map((word) => word.replaceAll(`${runtime}/`, `${next}/`));
  const channel = {
    'channel-type': 'cpr',
    addr: { transport: 'socket', type: 'unix', path: cprSocket(next) },
  };
  return [...moved, '-S', '-incoming', 'defer', '-incoming', JSON.stringify(channel)];
}

/** The socket on which a successor waits for descriptors. */
export function cprSocket(next: string): string {
  return join(next, 'cpr.sock');
}

/** The socket on which a successor waits for the state. */
export function stateSocket(next: string): string {
  return join(next, 'state.sock');
}

/**
 * What differs between the machine that a process was started with (its words in /proc/PID/cmdline) and one that is
 * to take its place. What a restore adds to a command line is no part of the machine; kernel and initrd of the
 * guest are copies after an update, and have been read long ago.
 */
export function machineDifferences(
  running: readonly string[],
  successor: readonly string[],
): CommandLineDifference[] {
  return compareCommandLines(machineOf(running), machineOf(successor));
}

function machineOf(commandLine: readonly string[]): string[] {
  return withoutOptions(withoutFirmware(commandLine), (option, value) => {
    if (option === '-kernel' || option === '-initrd') return true;
    if (option === '-global') return value.startsWith('migration.');
    if (option === '-chardev') return value.includes('id=early-restore');
    return option === '-mon' && value.includes('chardev=early-restore');
  });
}

function withoutFirmware(commandLine: readonly string[]): string[] {
  return withoutOptions(commandLine, (option) => option === '-L');
}

function firmwareArguments(binary: string): string[] {
  if (dirname(binary) === '/usr/bin') return [];
  const own = join(dirname(binary), '../share/qemu');
  return [own, ...FIRMWARE].flatMap((directory) => ['-L', directory]);
}

function withoutOptions(
  commandLine: readonly string[],
  drop: (option: string, value: string) => boolean,
): string[] {
  const dropped = (index: number) => {
    const option = commandLine[index];
    return option !== undefined && index > 0 && drop(option, commandLine[index + 1] ?? '');
  };
  return commandLine.filter((_, index) => !dropped(index) && !dropped(index - 1));
}
