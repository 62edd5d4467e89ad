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
    // Commander has printed what it had to say.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    return (await import('./failure.ts')).reportFailure(error, io, args.includes('--json'));
  }
}
