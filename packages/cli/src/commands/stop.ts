import type { Client } from '@exuvia/client';
import { ExuviaError, MAX_STOP_MS, toErrorBody, type Vm } from '@exuvia/contract';
import { withClient } from '../connect.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { show } from '../print.ts';
import type { Invocation } from '../program.ts';
import { timeoutMsOf } from '../seconds.ts';

interface StopOptions {
  readonly timeout: string;
  readonly all?: boolean;
}

/** `exuvia vm stop NAME`, or `--all`: every VM that runs or is paused. */
export async function stop({ args, options, io }: Invocation<StopOptions>): Promise<ExitStatus> {
  const timeoutMs = timeoutMsOf(options.timeout, MAX_STOP_MS / 1000);
  const [name] = args;
  if ((name !== undefined) === (options.all === true)) {
    throw new ExuviaError('usage', 'Give either the name of a VM, or --all.');
  }
  if (name !== undefined) {
    const vm = await withClient(options, (client) => client.stopVm(name, timeoutMs));
    show(io, options, vm, () => lineOf({ vm }));
    return EXIT.ok;
  }
  const stopped = await withClient(options, (client) => stopAll(client, timeoutMs));
  const vms = stopped.map((one) => ('vm' in one ? one.vm : { name: one.name, ...toErrorBody(one.error) }));
  show(io, options, { vms }, () => stopped.map(lineOf).join('') || 'No VM runs.\n');
  return stopped.every((one) => 'vm' in one) ? EXIT.ok : EXIT.failed;
}

type Stopped = { readonly vm: Vm } | { readonly name: string; readonly error: unknown };

/** All at once; one that cannot be stopped does not keep the others from it. What waits to be recovered is left alone. */
async function stopAll(client: Client, timeoutMs: number): Promise<Stopped[]> {
  const vms = (await client.vms()).filter(
    ({ state, saved }) => (state === 'running' || state === 'paused') && saved !== true,
  );
  return await Promise.all(
    vms.map(({ name }) =>
      client.stopVm(name, timeoutMs).then(
        (vm) => ({ vm }),
        (error: unknown) => ({ name, error }),
      ),
    ),
  );
}

function lineOf(one: Stopped): string {
  if ('vm' in one) return `VM ${one.vm.name} is ${one.vm.state}.\n`;
  const { message } = toErrorBody(one.error).error;
  return `VM ${one.name} is not stopped: ${message}\n`;
}
