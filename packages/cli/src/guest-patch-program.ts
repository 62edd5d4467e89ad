import type { Command } from 'commander';
import { addPatchFileCommands } from './guest-patch-file-program.ts';
import { type Action, command, STATE_OPTION } from './guest-program.ts';

/** `exuvia guest patch ...`: replace functions of a guest's kernel while it runs. */
export function addPatchCommands(guest: Command, action: Action): void {
  const patch = guest
    .command('patch')
    .description("replace functions of a guest's kernel while it runs")
    .addHelpText('after', EXAMPLES);
  addPatchFileCommands(patch, action);
  const onGuest = (name: string, rest: string, description: string) =>
    command(patch, name, rest, description).option(...STATE_OPTION);
  const waiting = (which: Command) =>
    which
      .option('--wait', 'until no thread is in what has been replaced')
      .option('--timeout <seconds>', 'so long at most', '60');
  const lists = () => import('./commands/guest/patch/list.ts');
  waiting(onGuest('apply', 'PATCH.ko', 'switch to the functions of a patch, all in one stop'))
    .option('--replace', 'in place of all patches that are in the guest, not on top of them')
    .addHelpText('after', '\nExample:\n  exuvia guest patch apply web fix.ko --wait\n')
    .action(action(async () => (await import('./commands/guest/patch/apply.ts')).apply));
  onGuest('list', '', 'the patches in a guest')
    .addHelpText('after', '\nExample:\n  exuvia guest patch list web\n')
    .action(action(async () => (await lists()).list));
  waiting(onGuest('rollback', 'ID', 'switch back to what was there before a patch'))
    .addHelpText('after', '\nExample:\n  exuvia guest patch rollback web fix --wait\n')
    .action(action(async () => (await import('./commands/guest/patch/rollback.ts')).rollback));
  onGuest('reconcile', '', 'put right what a killed tool has left, and look for threads again')
    .addHelpText('after', '\nExample:\n  exuvia guest patch reconcile web\n')
    .action(action(async () => (await lists()).reconcile));
}

const EXAMPLES = `
A patch is a kernel module that is never loaded as one: its functions are put into the guest and jumped to. It
lives as long as the guest's kernel does, through updates of its host, and can be taken back at any time.

Examples:
  exuvia guest patch build fix.c --kernel 6.12.107+deb13-cloud-amd64 -o fix.ko
  exuvia guest patch apply web fix.ko --wait
  exuvia guest patch rollback web fix
`;
