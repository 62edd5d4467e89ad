import { type ParseArgsConfig, parseArgs } from 'node:util';
import { ExuviaError } from '@exuvia/contract';

/** Exit status for wrong usage (sysexits.h) of programs whose 2 says what they have found. */
export const EX_USAGE = 64;

/**
 * Reads a command line.
 *
 * @param help the command that prints the help.
 * @throws ExuviaError `usage`.
 */
export function readArguments<Config extends ParseArgsConfig>(config: Config, help: string) {
  try {
    return parseArgs(config);
  } catch (error) {
    // Behind the first sentence is advice for programs that take arguments with a dash.
    throw usage(`${String((error as Error).message.split(/\.\s/)[0])}.`, help);
  }
}

/** @param help the command that prints the help. */
export function usage(message: string, help: string): ExuviaError {
  return new ExuviaError('usage', `${message} See ${help}.`);
}
