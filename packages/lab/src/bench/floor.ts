import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ExuviaError } from '@exuvia/contract';
import { makeSingleProgramInitramfs } from '../guests/initramfs.ts';
import { waitForAgent } from '../host/agent.ts';
import { waitUntil } from '../host/machine.ts';
import { labCopy, labRun } from '../host/ssh.ts';
import { type LabState, labPaths } from '../host/state.ts';
import { menuEntryId } from '../image/disk.ts';

const PROGRAM = join(import.meta.dirname, '../../../../build/native/exuvia-floor');
const REMOTE = '/var/lib/exuvia/lab';
const JUMP_LIMIT_MS = 60_000;
const BOOT_LIMIT_MS = 240_000;

export interface FloorRun {
  readonly from: string;
  readonly to: string;
  /** How the kernel that it starts from came up. */
  readonly start: 'kexec' | 'firmware';
  readonly ms: number;
}

/** Copies what floor runs need to the lab host. */
export async function prepareFloor(state: LabState, work: string): Promise<void> {
  const initramfs = join(work, 'floor-initramfs');
  await makeSingleProgramInitramfs(initramfs, PROGRAM);
  await labCopy(state, PROGRAM, `${REMOTE}/exuvia-floor`);
  await labCopy(state, initramfs, `${REMOTE}/floor-initramfs`);
  await labRun(state, `chmod 755 ${REMOTE}/exuvia-floor`);
}

/**
 * Measures once what a bare kexec costs from the running kernel to `to`: no VM, no file system to unmount,
 * an initramfs that holds one program which stamps the TSC, the command line that the host has after an ordinary
 * boot (`kexec --reuse-cmdline`, as an operator would type it). The machine resets afterwards, and boots
 * `to` by the boot loader (GRUB's saved entry).
 *
 * @param options.khz rate of the TSC
 */
export async function floorRun(
  state: LabState,
  options: Pick<FloorRun, 'to' | 'start'> & { commandLine: string; khz: number },
): Promise<FloorRun> {
  const from = (await labRun(state, 'uname -r')).stdout;
  const load = `kexec -s -l /boot/vmlinuz-${options.to} --initrd=${REMOTE}/floor-initramfs --command-line="$(cat)"`;
  await labRun(state, load, { input: options.commandLine });
  await labRun(state, `grub-editenv /boot/grub/grubenv set saved_entry='${menuEntryId(options.to)}' && sync`);
  const logged = (await readFile(labPaths().consoleLog)).length;
  // The connection never ends by itself: its other end is gone with the old kernel.
  void labRun(state, `${REMOTE}/exuvia-floor --jump`, { timeoutMs: 5000, allowFailure: true }).catch(
    () => undefined,
  );
  const cycles = await waitUntil(state, 'The stamp of the bare kexec', JUMP_LIMIT_MS, async () => {
    return cyclesBetween((await readFile(labPaths().consoleLog)).subarray(logged).toString('latin1'));
  });
  await waitForAgent(state, BOOT_LIMIT_MS);
  return { from, to: options.to, start: options.start, ms: cycles / options.khz };
}

/** From the stamp before the jump to the stamp of the new kernel's first program; `null` while one is missing. */
export function cyclesBetween(log: string): number | null {
  const jump = /^floor-jump ([0-9]+)\r?\n/m.exec(log)?.[1];
  const init = /^floor-init ([0-9]+)\r?\n/m.exec(log)?.[1];
  return jump === undefined || init === undefined ? null : Number(BigInt(init) - BigInt(jump));
}

/** What the boot loader gave the running kernel, without what names the image. */
export async function bootCommandLine(state: LabState): Promise<string> {
  const { stdout } = await labRun(state, 'cat /proc/cmdline');
  return stdout
    .split(' ')
    .filter((argument) => !/^(BOOT_IMAGE|exuvia\.)/.test(argument))
    .join(' ');
}

/** The rate of the TSC that the running kernel was given by an update. */
export async function tscKhz(state: LabState): Promise<number> {
  const { stdout: commandLine } = await labRun(state, 'cat /proc/cmdline');
  const khz = Number(/(?:^| )tsc_early_khz=([0-9]+)/.exec(commandLine)?.[1]);
  if (khz > 0) return khz;
  throw new ExuviaError('bench-no-clock', `The command line has no tsc_early_khz: ${commandLine}`);
}
