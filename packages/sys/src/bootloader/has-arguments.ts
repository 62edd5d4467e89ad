import { commandLineValues, splitCommandLine } from '../kernel/command-line.ts';

/** Whether a command line has each of these arguments, `name=value` or `name`. */
export function hasArguments(commandLine: string, args: readonly string[]): boolean {
  const present = splitCommandLine(commandLine);
  return args.every((argument) => {
    const [name = '', value = ''] = argument.split('=', 2);
    return commandLineValues(present, name).includes(value);
  });
}
