import { ExuviaError } from '@exuvia/contract';
import type { Command } from 'commander';
import { bashCompletion } from '../completion/bash.ts';
import { completionTree } from '../completion/tree.ts';
import { zshCompletion } from '../completion/zsh.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import type { Invocation } from '../program.ts';

/** Prints a completion script made from the tree of commands. */
export async function completion({ args, io }: Invocation, program: Command): Promise<ExitStatus> {
  const tree = completionTree(program);
  switch (args[0]) {
    case 'bash':
      io.out(bashCompletion(tree));
      return EXIT.ok;
    case 'zsh':
      io.out(zshCompletion(tree));
      return EXIT.ok;
    default:
      throw new ExuviaError('usage', `No completion for ${args[0]}: bash or zsh.`);
  }
}
