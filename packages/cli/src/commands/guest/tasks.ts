import { hex } from '@exuvia/guest';
import { EXIT, type ExitStatus } from '../../exit.ts';
import { show, table } from '../../print.ts';
import type { Invocation } from '../../program.ts';
import { type GuestOptions, targetOf, withGuest } from './target.ts';

/** All threads of a guest. */
export async function tasks(invocation: Invocation<GuestOptions>): Promise<ExitStatus> {
  const { options, io } = invocation;
  const found = await withGuest(await targetOf(invocation), (guest) =>
    guest.tasks().map((task) => ({ ...task, address: hex(task.address) })),
  );
  show(io, options, found, () => {
    const rows = found.map(({ pid, tgid, onCpu, state, address, comm }) => [
      String(pid),
      String(tgid),
      onCpu === null ? '-' : String(onCpu),
      state,
      address,
      comm,
    ]);
    return table(['tid', 'pid', 'on CPU', 'state', 'address', 'name'], rows, io);
  });
  return EXIT.ok;
}
