import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { ExuviaError } from '@exuvia/contract';
import { labPaths } from './state.ts';

/** Presses the lab host's reset button: a warm reset through its firmware. Its memory keeps what is in it. */
export async function resetMachine(): Promise<void> {
  const socket = connect(labPaths().qmp);
  await once(socket, 'connect');
  try {
    const lines = createInterface(socket)[Symbol.asyncIterator]();
    const answer = async () => JSON.parse((await lines.next()).value ?? '{}') as { error?: unknown };
    await answer();
    for (const command of ['qmp_capabilities', 'system_reset']) {
      socket.write(`${JSON.stringify({ execute: command })}\r\n`);
      if ((await answer()).error !== undefined) {
        throw new ExuviaError('lab-reset-failed', `The lab host's QEMU refuses ${command}.`);
      }
    }
  } finally {
    socket.destroy();
  }
}
