import type { ErrorBody } from '@exuvia/contract';
import { CommanderError } from 'commander';
import { EXIT, type ExitStatus } from './exit.ts';
import { type Io, processIo } from './io.ts';
import { createProgram } from './program.ts';

/**
 * Runs one command line (without the program's name) and says what the process is to exit with. Never
 * throws. Every command imports what it needs when it runs: `--help` costs next to nothing.
 */
export async function main(args: readonly string[], io: Io = processIo()): Promise<number> {
  try {
    if (args[0] === 'lab') return await (await import('./commands/lab.ts')).lab(args.slice(1));
    let status: ExitStatus = EXIT.ok;
    const program = createProgram(io, (result) => {
      status = result;
    });
    await program.parseAsync(args, { from: 'user' });
    return status;
  } catch (error) {
    const json = args.includes('--json');
    if (error instanceof CommanderError) {
      // Commander has printed what it had to say, as text.
      if (error.exitCode !== 0 && json) io.out(`${JSON.stringify(usageError(error))}\n`);
      return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    }
    return (await import('./failure.ts')).reportFailure(error, io, json);
  }
}

/** In the shape of every other error; the second line of commander's message is a suggestion. */
function usageError({ code, message }: CommanderError): ErrorBody {
  if (code === 'commander.help') {
    return { error: { code: 'usage', message: 'A command is missing.', hint: 'See `exuvia --help`.' } };
  }
  const [first = '', hint] = message.replace(/^error: /, '').split('\n');
  const sentence = `${first.charAt(0).toUpperCase()}${first.slice(1).replace(/\.$/, '')}.`;
  return { error: { code: 'usage', message: sentence, ...(hint === undefined ? {} : { hint }) } };
}
