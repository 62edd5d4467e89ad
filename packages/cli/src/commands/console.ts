import { connect } from 'node:net';
import { ExuviaError } from '@exuvia/contract';
import { isRemote, withClient } from '../connect.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import type { Io } from '../io.ts';
import type { Invocation } from '../program.ts';

/** Ctrl-], as in telnet and virsh. */
const ESCAPE = 0x1d;

/** Connects the terminal to a VM's serial console until the escape is typed or QEMU closes it. */
export async function openConsole({ args, options, io }: Invocation): Promise<ExitStatus> {
  if (isRemote(options)) {
    throw new ExuviaError('not-possible-remotely', "A VM's console can be reached on its host only.", {
      hint: 'Log in there, for example with ssh.',
    });
  }
  const name = args[0] ?? '';
  const { console: path, state } = await withClient(options, (client) => client.vm(name));
  if (path === null) {
    const reason = state === 'running' ? 'it was created without a serial console' : `it is ${state}`;
    throw new ExuviaError('console-missing', `VM ${name} has no console: ${reason}.`);
  }
  io.err(`Connected to ${name}; Ctrl-] leaves.\n`);
  await attach(path, io.stdin, io.out);
  io.err('\n');
  return EXIT.ok;
}

async function attach(path: string, input: NodeJS.ReadStream, out: Io['out']): Promise<void> {
  const done = Promise.withResolvers<void>();
  const socket = connect({ path });
  socket.on('data', (data) => out(data));
  socket.once('error', done.reject);
  socket.once('close', () => done.resolve());
  const onInput = (data: Buffer) => {
    const at = data.indexOf(ESCAPE);
    if (at === -1) return void socket.write(data);
    socket.end(data.subarray(0, at));
    done.resolve();
  };
  if (input.isTTY) input.setRawMode(true);
  input.on('data', onInput);
  input.resume();
  try {
    await done.promise;
  } finally {
    if (input.isTTY) input.setRawMode(false);
    input.off('data', onInput);
    input.pause();
    socket.destroy();
  }
}
