import { type QmpClient, queryStatus } from '@exuvia/qemu';
import { GuestError } from '../errors.ts';
import { humanCommand } from '../memory/open.ts';
import { type ChannelPaths, openChannel, reconcileChannel } from './channel.ts';
import { GdbConnection } from './gdb/connection.ts';
import { attachScript, type Gdbserver } from './gdb/script.ts';
import { type Guard, startGuard } from './guard/guard.ts';
import { openStopMark, type StopMark } from './guard/mark.ts';
import { StopProgram } from './stop-program/stop-program.ts';

/** Everything by which a VM is stopped, and what puts it right should this process be killed. */
export interface Control {
  readonly gdb: GdbConnection;
  readonly gdbserver: Gdbserver;
  readonly vcpus: readonly number[];
  readonly mark: StopMark;
  readonly guard: Guard;
  readonly program: StopProgram;
}

/**
 * Takes control of a VM, which stands for a moment. On failure nothing of it is left.
 *
 * @throws GuestError `guest-guard`, `guest-gdb-...`, `guest-stop-program`, `guest-registers`.
 */
export async function openControl(
  qmp: QmpClient,
  qmpPath: string,
  paths: ChannelPaths,
  vm: { readonly standing: boolean; readonly onForeignStop: () => void },
): Promise<Control> {
  const [guard, vcpus] = await Promise.all([startGuard({ qmp: qmpPath, ...paths }), listVcpus(qmp)]);
  const mark = openStopMark(paths.mark);
  let gdb: GdbConnection | null = null;
  try {
    const { address, added } = await openChannel(qmp, paths);
    const gdbserver = added ? 'ours' : 'shared';
    mark.set(!vm.standing);
    const script = attachScript(gdbserver, vm.standing ? 'stand' : 'continue');
    const connection = await GdbConnection.open(address, script.text);
    gdb = connection;
    connection.onForeignStop = vm.onForeignStop;
    await connection.expect(script.answers);
    // QEMU tells all events of this stop before it answers: what it tells from here on is of other stops.
    await queryStatus(qmp);
    mark.set(false);
    const program = await connection.lend(() => StopProgram.start(connection.socket, guard.lifeline));
    return { gdb: connection, gdbserver, vcpus, mark, guard, program };
  } catch (error) {
    gdb?.close();
    if (gdb !== null) await reconcileChannel(qmp, paths);
    await mark.close();
    await guard.dismiss();
    throw error;
  }
}

/** Gives it back. @param leave what is done to the gdbserver when nobody is connected to it any more. */
export async function closeControl(
  { program, gdb, mark, guard }: Control,
  leave: () => Promise<void>,
): Promise<void> {
  await program.end();
  gdb.close();
  await leave();
  await mark.close();
  await guard.dismiss();
}

/** The numbers of the vCPUs (HMP `info cpus`, QEMU 10.0); the stub's threads are these plus one. */
async function listVcpus(qmp: QmpClient): Promise<number[]> {
  const text = await humanCommand(qmp, 'info cpus');
  const vcpus = [...text.matchAll(/^[* ] CPU #(\d+):/gm)].map((match) => Number(match[1]));
  if (vcpus.length > 0) return vcpus;
  throw new GuestError(
    'guest-registers',
    `QEMU did not list the VM's processors: ${text.trim().slice(0, 80)}`,
  );
}
