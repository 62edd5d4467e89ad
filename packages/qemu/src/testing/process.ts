import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VmSpec } from '@exuvia/contract';
import { vmSpecSchema } from '@exuvia/contract';
import type { CommandLinePaths } from '../command-line/build.ts';
import { QmpClient } from '../qmp/client.ts';
import { countingGuest } from './counting-guest.ts';

/** A room for one test VM: RAM on tmpfs, everything else in a temporary directory; `remove` ends and clears all. */
export interface TestRoom {
  readonly directory: string;
  readonly paths: CommandLinePaths;
  readonly spec: VmSpec;
  /** Runs a command line until the test is over. */
  spawn(commandLine: readonly string[]): ChildProcess;
  /** Connects to the monitor of the QEMU that was spawned last, as soon as it listens. */
  connect(): Promise<QmpClient>;
  remove(): Promise<void>;
}

export const TEST_BOOT_ID = '0f4a3a3e-6d1c-4e6f-9a58-1d0d9f4a7b11';

/** Makes a room with the counting guest as its VM's kernel. */
export async function makeTestRoom(name: string): Promise<TestRoom> {
  const directory = await mkdtemp(join(tmpdir(), `exuvia-${name}-`));
  const memory = await mkdtemp(`/dev/shm/exuvia-${name}-`);
  const kernel = join(directory, 'guest.bin');
  await writeFile(kernel, countingGuest(name, TEST_BOOT_ID));
  const paths = {
    ram: join(memory, 'ram'),
    qmp: join(directory, 'qmp.sock'),
    handoverQmp: join(directory, 'handover.sock'),
    console: join(directory, 'console.sock'),
    guestAgent: join(directory, 'guest-agent.sock'),
    pidFile: join(directory, 'qemu.pid'),
    consoleLog: join(directory, 'console.log'),
    qemuLog: join(directory, 'qemu.log'),
  };
  const children: ChildProcess[] = [];
  return {
    directory,
    paths,
    spec: vmSpecSchema.parse({ name, memory: '32M', boot: { kernel } }),
    spawn([command = '', ...args]) {
      const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
      children.push(child);
      return child;
    },
    async connect() {
      const child = children.at(-1);
      return connectWhenListening(paths.qmp, () => child?.exitCode ?? null);
    },
    async remove() {
      await Promise.all(children.map(end));
      await rm(directory, { recursive: true });
      await rm(memory, { recursive: true });
    },
  };
}

async function connectWhenListening(path: string, exitCode: () => number | null): Promise<QmpClient> {
  for (;;) {
    try {
      return await QmpClient.connect(path);
    } catch (error) {
      if (exitCode() !== null) throw new Error(`QEMU ended with ${exitCode()}`, { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
