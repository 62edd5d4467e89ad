import { setTimeout as sleep } from 'node:timers/promises';
import { ExuviaError } from '@exuvia/contract';
import { commandLineFor, type QmpClient, QmpClosedError, queryMigration, queryStatus } from '@exuvia/qemu';
import type { VmDependencies } from './dependencies.ts';
import { writeInstance } from './instance.ts';
import type { Monitors } from './monitors.ts';
import { findProcess } from './process.ts';
import type { Reality } from './reality.ts';
import { removeState, sampledMemory, sealState } from './seal.ts';

/**
 * Lets a VM's QEMU execute another one in its own place (migration mode cpr-exec, since QEMU 10.2): process, control group,
 * lock and memory stay; the guest stands still while the new QEMU starts. A QEMU that cannot be executed costs nothing:
 * the old one runs on by itself.
 *
 * @throws ExuviaError `exec-failed` with QEMU's reason. Where the new QEMU has ended, the state lies beside the memory.
 */
export async function execInto(
  name: string,
  binary: string,
  { instance }: Reality,
  { paths, timeoutMs }: Pick<VmDependencies, 'paths' | 'timeoutMs'>,
  monitors: Monitors,
): Promise<void> {
  if (instance === null) throw new ExuviaError('vm-not-running', `VM ${name} does not run.`);
  const { deviceState, ram, instance: file } = paths(name);
  const commandLine = commandLineFor(binary, instance.commandLine);
  const client = await monitors.get(name);
  // Its guest waits until nobody can load its state any more.
  const command = [...commandLine, '-S', '-incoming', `file:${deviceState}`];
  // The types are those of QEMU 10.0, which does not have this mode yet.
  const parameters = { mode: 'cpr-exec', 'cpr-exec-command': command } as never;
  await client.execute('migrate-set-parameters', parameters);
  await client.execute('migrate', { uri: `file:${deviceState}` });
  await executed(name, client);
  await monitors.drop(name);
  try {
    await loaded(name, monitors, timeoutMs);
  } catch (error) {
    // The state is complete, for the old QEMU has become the new one; memory that nobody runs on stands still.
    if ((await findProcess(paths(name))) === null)
      await sealState(name, deviceState, await sampledMemory(ram));
    throw error;
  }
  await writeInstance(file, { ...instance, commandLine });
  await removeState(deviceState);
  await (await monitors.get(name)).execute('cont');
}

/** The old QEMU's monitor closes when it has become another program. */
async function executed(name: string, client: QmpClient): Promise<void> {
  try {
    for (;;) {
      const { status, 'error-desc': why } = await queryMigration(client);
      if (status === 'failed') {
        await client.execute('migrate-set-parameters', { mode: 'normal' });
        throw new ExuviaError('exec-failed', `VM ${name} runs on in its QEMU: ${why ?? 'no reason given'}`);
      }
      await sleep(5);
    }
  } catch (error) {
    if (error instanceof QmpClosedError) return;
    throw error;
  }
}

async function loaded(name: string, monitors: Monitors, timeoutMs: number): Promise<void> {
  let last: unknown;
  for (const deadline = Date.now() + timeoutMs; Date.now() < deadline; await sleep(10)) {
    try {
      if ((await queryStatus(await monitors.get(name))).status === 'paused') return;
    } catch (error) {
      last = error;
    }
  }
  throw new ExuviaError('exec-failed', `The new QEMU of VM ${name} does not load it.`, { cause: last });
}
