import { type Client, Refused } from '@exuvia/client';
import { ExuviaError, type Vm } from '@exuvia/contract';
import { withClient } from '../connect.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { show } from '../print.ts';
import type { Invocation } from '../program.ts';

/** What became of one VM; `error` as the agent's API gives it. */
interface Recovered {
  readonly name: string;
  readonly recovered: boolean;
  /** Nothing was changed. */
  readonly refused: boolean;
  readonly error: { readonly code: string; readonly message: string; readonly hint?: string } | null;
}

/** `exuvia recover [NAME...]`: without names, every VM of which a saved state is kept. */
export async function recover({ args, options, io }: Invocation): Promise<ExitStatus> {
  const results = await withClient(options, async (client) => {
    const names = args.length > 0 ? args : await keptVms(client);
    const done: Recovered[] = [];
    for (const name of names) done.push(await recoverOne(client, name));
    return done;
  });
  show(io, options, { vms: results }, () =>
    results.length === 0
      ? 'No saved state is kept: there is nothing to recover.\n'
      : results.map(lineOf).join(''),
  );
  const failed = results.filter(({ recovered }) => !recovered);
  if (failed.length === 0) return EXIT.ok;
  // Status 3 promises that nothing was changed.
  const isUnchanged = results.every(({ refused }) => refused);
  return isUnchanged ? EXIT.refused : EXIT.failed;
}

async function keptVms(client: Client): Promise<string[]> {
  return (await client.vms()).filter(({ saved }) => saved === true).map(({ name }) => name);
}

/** One VM that cannot be recovered does not keep the others from it. */
async function recoverOne(client: Client, name: string): Promise<Recovered> {
  try {
    const vm: Vm = await client.recoverVm(name);
    return { name, recovered: vm.state === 'running', refused: false, error: null };
  } catch (error) {
    // Without an agent there is nothing to say of a VM.
    if (!(error instanceof ExuviaError) || error.code === 'agent-unreachable') throw error;
    const { code, message, hint } = error;
    const refused = error instanceof Refused;
    return {
      name,
      recovered: false,
      refused,
      error: hint === undefined ? { code, message } : { code, message, hint },
    };
  }
}

function lineOf({ name, error }: Recovered): string {
  if (error === null) return `VM ${name} runs on from where it was saved.\n`;
  const hint = error.hint === undefined ? '' : `  ${error.hint}\n`;
  return `VM ${name} is not recovered: ${error.message}\n${hint}`;
}
