import { readArguments, usage } from '../support/usage.ts';

const HELP = 'npm run soak -- --help';
const MOST_UPDATES = 10_000;

export interface SoakOptions {
  readonly updates: number;
  readonly json: boolean;
}

/**
 * Reads `[--updates N] [--json]`; scripts/bootstrap.mjs has the help.
 *
 * @throws ExuviaError `usage`.
 */
export function soakOptions(args: readonly string[]): SoakOptions {
  const options = {
    updates: { type: 'string', default: '50' },
    json: { type: 'boolean', default: false },
  } as const;
  const { values } = readArguments({ args: [...args], options }, HELP);
  const updates = Number(values.updates);
  if (Number.isInteger(updates) && updates >= 1 && updates <= MOST_UPDATES) {
    return { updates, json: values.json };
  }
  throw usage(`--updates ${values.updates} is no whole number from 1 to ${MOST_UPDATES}.`, HELP);
}
