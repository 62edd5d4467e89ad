import type { Client } from '@exuvia/client';
import type { Vm } from '@exuvia/contract';
import { type GuestOptions, guestSpec } from './specs.ts';

/** Creates and starts the lab's guests on a host through its agent; those that run already are left alone. */
export async function startGuests(
  client: Client,
  names: readonly string[],
  options: GuestOptions,
): Promise<Vm[]> {
  const known = new Map((await client.vms()).map((vm) => [vm.name, vm]));
  return Promise.all(
    names.map(async (name) => {
      const vm = known.get(name) ?? (await client.createVm(guestSpec(name, options)));
      return vm.state === 'running' ? vm : await client.startVm(name);
    }),
  );
}
