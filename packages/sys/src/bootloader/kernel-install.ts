import { join } from 'node:path';
import { ExuviaError } from '@exuvia/contract';
import { writeFileDurably } from '../files/durable.ts';
import { readIfExists } from '../files/read.ts';
import { installedKernels } from '../host/kernels.ts';
import { joinCommandLine, splitCommandLine } from '../kernel/command-line.ts';
import { withoutOneBoot } from '../kernel/one-boot.ts';
import { run } from '../process/run.ts';
import {
  bootEntryFor,
  bootedCommandLine,
  boots,
  parseBootEntries,
  type SystemdBootEntry,
} from './boot-entries.ts';
import type { BootLoader } from './boot-loader.ts';
import { hasArguments } from './has-arguments.ts';
import { restoreFiles } from './restore-files.ts';

const UPDATE_TIMEOUT_MS = 300_000;

/** systemd-boot with kernel-install: the command line is in /etc/kernel/cmdline. `root` is for tests. */
export function kernelInstall(root = '/'): BootLoader {
  const file = join(root, 'etc/kernel/cmdline');

  /** Debian's kernels are where `add-all` does not look; called as Debian's hook does, which finds the initrd too. */
  async function rewriteEntries(): Promise<void> {
    for (const { release, image } of await installedKernels(root)) {
      await run('kernel-install', ['add', release, image], { timeoutMs: UPDATE_TIMEOUT_MS });
    }
  }

  /**
   * Gives the file its content. Without the file kernel-install takes the running command line, in which everything
   * still is: so entries are written with `commandLine` before it goes.
   */
  async function putBack(content: string | null, commandLine: string): Promise<void> {
    try {
      await writeFileDurably(file, content ?? commandLine);
      await rewriteEntries();
    } finally {
      await restoreFiles([{ path: file, content }]);
    }
  }

  /** Whatever kernel-install's plugins have made of the file: only the result counts. */
  async function requireArguments(args: readonly string[]): Promise<void> {
    const kernels = await installedKernels(root);
    const entries = await bootEntries();
    const missing = kernels.find(
      ({ release }) =>
        !entries.some((entry) => boots(entry, release) && hasArguments(entry.options ?? '', args)),
    );
    if (kernels.length > 0 && missing === undefined) return;
    throw new ExuviaError(
      'boot-loader-failed',
      missing === undefined
        ? 'No kernel is installed in /boot.'
        : `kernel-install did not put ${args.join(' ')} into the boot entry of kernel ${missing.release}.`,
      { hint: 'Look at `bootctl list`, and in /etc/kernel/install.d for a plugin that writes entries.' },
    );
  }

  async function select(verb: 'set-default' | 'set-oneshot', release: string): Promise<void> {
    await run('bootctl', [verb, bootEntryFor(await bootEntries(), release).id]);
  }

  return {
    kind: 'kernel-install',
    files: [file],
    async setArguments(args) {
      const was = await readIfExists(file);
      const current = was ?? (await fallbackCommandLine(root));
      try {
        await writeFileDurably(file, `${withArguments(current, args)}\n`);
        await rewriteEntries();
        await requireArguments(args);
        return [];
      } catch (cause) {
        await putBack(was, current).catch(() => null);
        throw asFailure(cause, file);
      }
    },
    async removeArguments(before) {
      const own = before.find(({ path }) => path === file);
      const was = own?.content ?? null;
      const current = await readIfExists(file);
      const then = was ?? own?.written ?? (await fallbackCommandLine(root));
      const taken = takenBack(current ?? then, was ?? '', own?.added);
      const isEdited = current !== null && !sameButForAdded(current, then);
      await putBack(isEdited ? taken : was, taken);
    },
    bootsWith: async (release, args) =>
      hasArguments(bootEntryFor(await bootEntries(), release).options ?? '', args),
    setDefaultKernel: (release) => select('set-default', release),
    setNextKernel: (release) => select('set-oneshot', release),
    async clearNextKernel() {
      await run('bootctl', ['set-oneshot', '']);
    },
  };
}

async function bootEntries(): Promise<SystemdBootEntry[]> {
  return parseBootEntries((await run('bootctl', ['list', '--json=short'])).stdout);
}

function asFailure(cause: unknown, file: string): ExuviaError {
  if (cause instanceof ExuviaError && cause.code.startsWith('boot-')) return cause;
  return new ExuviaError('boot-loader-failed', `kernel-install did not take the new ${file}.`, { cause });
}

/** Adds arguments that are not there yet; a `memmap=` for persistent memory replaces an older one. */
export function withArguments(commandLine: string, args: readonly string[]): string {
  const names = new Set(args.map((argument) => argument.split('=', 1)[0] ?? ''));
  const kept = words(commandLine).filter((argument) => {
    const [name = '', value = ''] = argument.split('=', 2);
    return !(names.has(name) && (name !== 'memmap' || value.includes('!')));
  });
  return joinCommandLine([...kept, ...args]);
}

/** What `setup` puts on the command line: persistent memory, and memory for a crash kernel. */
const ADDED = /^(memmap=[^!]*!|crashkernel=)/;

function sameButForAdded(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => words(text).filter((word) => !ADDED.test(word)));
  return a?.join(' ') === b?.join(' ');
}

/** A command line that was edited since, with what was added put back to what it was before. */
function takenBack(current: string, before: string, added: readonly string[] | undefined): string {
  const isAdded = (word: string) => added?.includes(word) ?? ADDED.test(word);
  const others = words(current).filter((word) => !isAdded(word));
  const replaced = words(before).filter((word) => ADDED.test(word));
  return `${joinCommandLine([...others, ...replaced])}\n`;
}

function words(text: string): string[] {
  return splitCommandLine(text.replaceAll('\n', ' '));
}

/**
 * What stands in where there is no /etc/kernel/cmdline: the vendor's file, as kernel-install takes it
 * (90-loaderentry.install, systemd 257), else the command line of the entry that boots. Not the running kernel's, as
 * kernel-install would: a jump has put an update's arguments there, and what was undone is still in it.
 */
async function fallbackCommandLine(root: string): Promise<string> {
  const vendor = await readIfExists(join(root, 'usr/lib/kernel/cmdline'));
  if (vendor !== null) return vendor;
  const releases = (await installedKernels(root)).map(({ release }) => release);
  const ofEntry = bootedCommandLine(await bootEntries(), releases);
  const commandLine = ofEntry ?? (await readIfExists(join(root, 'proc/cmdline'))) ?? '';
  return joinCommandLine(withoutOneBoot(words(commandLine)));
}
