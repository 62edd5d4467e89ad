import { ExuviaError } from '@exuvia/contract';
import { withClient } from '../connect.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { show } from '../print.ts';
import type { Invocation } from '../program.ts';

export async function setup({
  options,
  io,
}: Invocation<{ memory?: string; undo?: boolean }>): Promise<ExitStatus> {
  const { memory, undo = false } = options;
  if ((memory === undefined) !== undo) {
    throw new ExuviaError('usage', 'Give either --memory SIZE or --undo.', {
      hint: 'See `exuvia setup --help`.',
    });
  }
  const result = await withClient(options, (client) =>
    memory === undefined ? client.undoSetup() : client.setup(memory),
  );
  show(io, options, result, () => {
    const changed = result.changedFiles.map((file) => `  changed: ${file}\n`).join('');
    return `${result.message}\n${changed}`;
  });
  return EXIT.ok;
}
