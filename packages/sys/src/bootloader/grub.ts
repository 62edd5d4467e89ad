import { join } from 'node:path';
import { ExuviaError } from '@exuvia/contract';
import { writeFileDurably } from '../files/durable.ts';
import { readIfExists } from '../files/read.ts';
import { run } from '../process/run.ts';
import type { BootLoader, FileBefore } from './boot-loader.ts';
import { fixedDefault, type GrubEntry, grubEntryFor, parseGrubConfig } from './grub-config.ts';
import { hasArguments } from './has-arguments.ts';
import { restoreFiles } from './restore-files.ts';

const UPDATE_TIMEOUT_MS = 300_000;

/** GRUB 2 as Debian configures it: drop-ins in /etc/default/grub.d, then update-grub. `root` is for tests. */
export function grub(root = '/'): BootLoader {
  const dropIn = join(root, 'etc/default/grub.d/exuvia.cfg');
  const config = join(root, 'boot/grub/grub.cfg');

  async function entryFor(release: string): Promise<GrubEntry> {
    const entry = grubEntryFor(parseGrubConfig((await readIfExists(config)) ?? ''), release);
    if (entry !== null) return entry;
    throw new ExuviaError('boot-entry-missing', `GRUB's menu has no entry for kernel ${release}.`, {
      hint: 'Run `update-grub`; if that does not help, install the kernel again.',
    });
  }

  return {
    kind: 'grub',
    files: [dropIn],
    async setArguments(args) {
      const before: FileBefore[] = [{ path: dropIn, content: await readIfExists(dropIn) }];
      try {
        const text = grubDropIn(args);
        const notes = await saveDefault((await readIfExists(config)) ?? '');
        await writeFileDurably(dropIn, text);
        await run('update-grub', [], { timeoutMs: UPDATE_TIMEOUT_MS });
        requireArguments((await readIfExists(config)) ?? '', args, config);
        return notes;
      } catch (cause) {
        await restoreFiles(before);
        await run('update-grub', [], { timeoutMs: UPDATE_TIMEOUT_MS, allowFailure: true }).catch(() => null);
        throw asFailure(cause);
      }
    },
    async removeArguments(before) {
      const own = before.filter((file) => file.path === dropIn);
      await restoreFiles(own.length > 0 ? own : [{ path: dropIn, content: null }]);
      await run('update-grub', [], { timeoutMs: UPDATE_TIMEOUT_MS });
    },
    bootsWith: async (release, args) => hasArguments((await entryFor(release)).arguments, args),
    async setDefaultKernel(release) {
      await run('grub-set-default', [(await entryFor(release)).path]);
    },
    async setNextKernel(release) {
      await run('grub-reboot', [(await entryFor(release)).path]);
    },
    async clearNextKernel() {
      await run('grub-editenv', ['-', 'unset', 'next_entry']);
    },
  };
}

/**
 * With the drop-in the saved entry is the default: it becomes what the default is now. Not taken back: without
 * GRUB_DEFAULT=saved nobody reads it.
 */
async function saveDefault(config: string): Promise<string[]> {
  const entry = fixedDefault(config);
  if (entry === null) return [];
  await run('grub-set-default', [entry]);
  if (entry === '0') return [];
  return [
    `GRUB_DEFAULT is now saved; the saved entry is ${JSON.stringify(entry)}, as it was, until an update changes it.`,
  ];
}

/** The drop-in's text: shell, read by grub-mkconfig after /etc/default/grub. */
export function grubDropIn(args: readonly string[]): string {
  for (const argument of args) {
    // Shell and GRUB each expand once more; what Exuvia sets needs none of these.
    if (/["'$`\\\s]/.test(argument)) {
      throw new ExuviaError('boot-loader-failed', `${argument} cannot be put into GRUB's configuration.`);
    }
  }
  return `# Written by \`exuvia setup\`; \`exuvia setup --undo\` removes it.
GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX ${args.join(' ')}"
# So that an update can make the kernel that it brought the one that boots.
GRUB_DEFAULT=saved
`;
}

/** A drop-in that sorts later can replace GRUB_CMDLINE_LINUX: only the result counts. */
function requireArguments(config: string, args: readonly string[], file: string): void {
  const entries = parseGrubConfig(config).filter((entry) => entry.release !== null && isOwn(entry));
  const missing = entries.find((entry) => !hasArguments(entry.arguments, args));
  if (entries.length > 0 && missing === undefined) return;
  throw new ExuviaError(
    'boot-loader-failed',
    `update-grub did not put ${args.join(' ')} on the kernel command line in ${file}.`,
    { hint: 'Look in /etc/default/grub.d for a file that sets GRUB_CMDLINE_LINUX anew.' },
  );
}

/** Made by 10_linux of this system; those of os-prober and 40_custom do not follow GRUB_CMDLINE_LINUX. */
function isOwn(entry: GrubEntry): boolean {
  return entry.path.split('>').at(-1)?.startsWith('gnulinux-') === true;
}

function asFailure(cause: unknown): ExuviaError {
  if (cause instanceof ExuviaError && cause.code === 'boot-loader-failed') return cause;
  const hint = cause instanceof ExuviaError ? cause.hint : undefined;
  return new ExuviaError('boot-loader-failed', "GRUB's configuration could not be changed.", {
    cause,
    ...(hint === undefined ? {} : { hint }),
  });
}
