import type { Command } from 'commander';
import type { Action } from './guest-program.ts';

/** `exuvia guest patch build` and `show`: about patch files, without any guest. */
export function addPatchFileCommands(patch: Command, action: Action): void {
  patch
    .command('build <source>')
    .description('make a patch from replacement functions in C')
    .requiredOption('--kernel <release>', "the guest's kernel, as uname -r says it there")
    .requiredOption('-o, --output <file>', 'the patch, for example fix.ko')
    .option('--headers <folder>', 'where linux-headers packages were unpacked (default: the installed ones)')
    .option('--cc <compiler>', 'a compiler other than the one that the headers name')
    .addHelpText('after', BUILD_HELP)
    .action(action(async () => (await import('./commands/guest/patch/build.ts')).build));
  patch
    .command('show <file>')
    .description('what a patch replaces, what it needs, and what makes it unacceptable')
    .addHelpText('after', '\nExample:\n  exuvia guest patch show fix.ko\n')
    .action(action(async () => (await import('./commands/guest/patch/show.ts')).show));
}

const BUILD_HELP = `
A patch is C against the kernel's headers. A replacement function is marked by EXUVIA_REPLACE(OLD, NEW) behind it;
EXUVIA_REPLACE_AT(OLD, POSITION, NEW) where the kernel has several functions OLD, EXUVIA_REPLACE_IN("MODULE", OLD,
POSITION, NEW) for one of a module. What is not exported may be used, too, once it is declared. --headers may name a
whole Debian root: then its compiler is used (as root, by chroot).

Example:
  exuvia guest patch build fix.c --kernel 6.12.117+deb13-cloud-amd64 -o fix.ko
`;
