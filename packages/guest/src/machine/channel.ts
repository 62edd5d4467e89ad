import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checked, type QmpClient, queryStatus } from '@exuvia/qemu';
import { z } from 'zod';
import { GuestError } from '../errors.ts';
import { humanCommand } from '../memory/open.ts';
import type { GdbAddress } from './gdb/connection.ts';
import { readStopMark } from './guard/mark.ts';

/** Where a VM's control channel lies: beside its monitor's socket, where its QEMU may make files. */
export interface ChannelPaths {
  readonly channel: string;
  readonly mark: string;
}

/** sun_path (unix(7)) holds so many bytes, and a final zero. */
const MAX_SOCKET_PATH = 107;

export function channelPaths(qmpPath: string): ChannelPaths {
  const beside = `${qmpPath}.exuvia-gdb`;
  const short = join(
    tmpdir(),
    `exuvia-gdb-${createHash('sha256').update(qmpPath).digest('hex').slice(0, 16)}`,
  );
  const channel = Buffer.byteLength(beside) <= MAX_SOCKET_PATH ? beside : short;
  return { channel, mark: `${channel}.stopped` };
}

/** A gdbserver of a VM: the one we added, or one that was there. */
export interface Channel {
  readonly address: GdbAddress;
  readonly added: boolean;
}

/**
 * Gives the VM a gdbserver on a unix socket, while it runs (HMP `gdbserver`, QEMU 10.0). One that is there
 * already and has no client is used as it is: QEMU has one at most.
 *
 * @throws GuestError `guest-gdb-busy` when somebody debugs the VM, `guest-gdb-refused` when QEMU says no.
 */
export async function openChannel(qmp: QmpClient, paths: ChannelPaths): Promise<Channel> {
  const present = await findGdbserver(qmp);
  if (present !== null) {
    const address = addressOf(present);
    if (address !== null) return { address, added: false };
    throw new GuestError(
      'guest-gdb-busy',
      `Somebody is debugging the VM through its gdbserver (${present}).`,
      {
        hint: 'End the debugger, or remove the gdbserver with the monitor command `gdbserver none`.',
      },
    );
  }
  const said = await humanCommand(qmp, `gdbserver unix:${paths.channel},server=on,wait=off`);
  if ((await findGdbserver(qmp)) === null) {
    throw new GuestError('guest-gdb-refused', `QEMU did not start a gdbserver: ${said.trim()}`);
  }
  return { address: { path: paths.channel }, added: true };
}

export async function removeChannel(qmp: QmpClient): Promise<void> {
  await humanCommand(qmp, 'gdbserver none');
}

/**
 * Puts right what a tool that was killed together with its guard has left: a control channel, and a VM that
 * stands because of it.
 */
export async function reconcileChannel(qmp: QmpClient, paths: ChannelPaths): Promise<void> {
  const present = await findGdbserver(qmp);
  if (present?.includes(`unix:${paths.channel},`)) await removeChannel(qmp);
  const stood = readStopMark(paths.mark);
  if (stood === true && (await queryStatus(qmp)).status === 'paused') await qmp.execute('cont');
}

/** Where to connect to a gdbserver without a client; `null` for one that has a client. */
function addressOf(filename: string): GdbAddress | null {
  const path = /^disconnected:unix:([^,]+)/.exec(filename)?.[1];
  if (path !== undefined) return { path };
  const [, host, port] = /^disconnected:tcp:(.*):(\d+),/.exec(filename) ?? [];
  if (host === undefined || port === undefined) return null;
  // A wildcard address is where it listens, not where one connects.
  return { host: /^(0\.0\.0\.0|\[?::\]?|)$/.test(host) ? 'localhost' : host, port: Number(port) };
}

const chardevsSchema = z.array(z.object({ label: z.string(), filename: z.string() }));

/** QEMU's word for the gdbserver's socket; `null` when there is none. */
async function findGdbserver(qmp: QmpClient): Promise<string | null> {
  const all = checked('query-chardev', chardevsSchema, await qmp.execute('query-chardev'));
  return all.find(({ label }) => label === 'gdb')?.filename ?? null;
}
