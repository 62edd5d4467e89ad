import type { Command } from 'commander';
import type { ExitStatus } from './exit.ts';
import { addPatchCommands } from './guest-patch-program.ts';
import type { Invocation } from './program.ts';

/** How an action is bound to what runs it, which is loaded only then. */
export type Action = <Options>(
  load: () => Promise<(invocation: Invocation<Options>) => Promise<ExitStatus>>,
) => (this: Command) => Promise<void>;

/** `exuvia guest ...`: look into the kernel of a VM's guest, and patch it, from outside. */
export function addGuestCommands(program: Command, action: Action): void {
  const guest = program
    .command('guest')
    .description("look into a guest's kernel, and patch it, from outside")
    .addHelpText('after', EXAMPLES);
  command(guest, 'inspect', '', 'kernel, where it lies, modules, patches')
    .option(...STATE_OPTION)
    .addHelpText('after', '\nExample:\n  exuvia guest inspect web --json\n')
    .action(action(async () => (await import('./commands/guest/inspect.ts')).inspect));
  command(guest, 'symbols', 'PATTERN', 'symbols of the kernel and its modules; * and ? stand for anything')
    .option('--limit <count>', 'at most so many', '1000')
    .addHelpText('after', "\nExample:\n  exuvia guest symbols web 'vfs_re*'\n")
    .action(action(async () => (await import('./commands/guest/symbols.ts')).symbols));
  command(guest, 'tasks', '', 'all threads')
    .addHelpText('after', '\nExample:\n  exuvia guest tasks web\n')
    .action(action(async () => (await import('./commands/guest/tasks.ts')).tasks));
  command(guest, 'stack', '[PID]', 'kernel stacks of threads and CPUs')
    .option('--cpu <number>', "a CPU's; the VM is stopped for a moment")
    .option('--all', 'those of all threads and CPUs')
    .option(...STATE_OPTION)
    .addHelpText('after', '\nExamples:\n  exuvia guest stack web 1\n  exuvia guest stack web --all\n')
    .action(action(async () => (await import('./commands/guest/stack.ts')).stack));
  command(guest, 'read', 'EXPRESSION', 'a variable, or a part of it, as its type says')
    .addHelpText(
      'after',
      `
An expression is a variable of the kernel with members (. and ->), elements ([2]), * and & as in C. The type of
a variable that the kernel does not tell is given by a cast. per_cpu(VARIABLE, CPU) is one CPU's copy, task(PID)
a thread.

Examples:
  exuvia guest read web init_task.comm
  exuvia guest read web 'per_cpu(runqueues, 0).nr_running'
  exuvia guest read web 'task(1).mm->mmap_base'
  exuvia guest read web '((struct file_system_type *)file_systems)->name'
`,
    )
    .action(action(async () => (await import('./commands/guest/read.ts')).read));
  command(guest, 'dmesg', '', "the kernel's messages")
    .addHelpText('after', '\nExample:\n  exuvia guest dmesg web | tail\n')
    .action(action(async () => (await import('./commands/guest/dmesg.ts')).dmesg));
  addPatchCommands(guest, action);
}

/** A command about one guest: a VM of this host by name, or any QEMU by its monitor. */
export function command(parent: Command, name: string, rest: string, description: string): Command {
  return parent
    .command(`${name} [arguments...]`)
    .usage(`[options] (VM | --qmp PATH) ${rest}`.trimEnd())
    .description(description)
    .option('--qmp <path>', 'the QMP socket of a VM that is none of this host’s');
}

/** Of all commands that look at a guest's patches. */
export const STATE_OPTION = ['--state <directory>', "where the guest's journal is kept"] as const;

const EXAMPLES = `
A guest is a VM of this host by its name, or any QEMU whose RAM is a shared file, by its QMP socket. The guest
needs no agent and is not changed by looking; only \`stack --cpu\` and \`--all\` stop it, for a moment.

Examples:
  exuvia guest inspect web
  exuvia guest dmesg --qmp /run/qemu.sock
`;
