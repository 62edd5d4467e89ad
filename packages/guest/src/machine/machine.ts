import { checked, QmpClient } from '@exuvia/qemu';
import { z } from 'zod';
import type { Accelerator, Machine, Registers, StoppedMachine } from '../kinds.ts';
import { readSystemRegisters } from '../locate/registers.ts';
import { openGuestMemory } from '../memory/open.ts';
import type { OpenMemory } from '../memory/physical.ts';
import { Actor, type Seen, type StopPlan } from './actor.ts';
import { channelPaths } from './channel.ts';
import type { PhysicalWrite } from './gdb/script.ts';
import { physicalRanges, physicalWrites } from './pieces.ts';
import type { SwitchPlan, SwitchResult } from './stop-program/plan.ts';

/** A VM that can be stopped and written to. */
export interface GuestMachine extends Machine {
  readonly qmp: QmpClient;
  readonly physical: OpenMemory;
  /** Adds the control channel, so that the next stop is as quick as all later ones. */
  prepare(): Promise<void>;
  /** A stop whose decision is known beforehand, in the shortest pause that there is. */
  switch(plan: SwitchPlan): Promise<SwitchResult>;
  /** A stop in which is decided by what is seen. */
  stop(plan: StopPlan): Promise<{ readonly seen: Seen; readonly us: number }>;
  /** The shortest stop there is, with nothing in it: what to measure other stops against. */
  stopForNothing(): Promise<void>;
  /** Removes the control channel until the next stop. */
  release(): Promise<void>;
}

/**
 * Takes hold of a VM by its QMP socket: any QEMU from 9.0 whose RAM is a shared file. Nothing is stopped
 * before {@link GuestMachine.prepare}, `stop` or `whileStopped`.
 *
 * @throws GuestError `guest-not-running`, `guest-ram-...`; QmpClosedError, QmpTimeoutError when nobody
 * answers or somebody else holds the monitor.
 */
export async function openMachine(
  qmpPath: string,
  options: { readonly timeoutMs?: number } = {},
): Promise<GuestMachine> {
  const qmp = await QmpClient.connect(qmpPath, options);
  try {
    const physical = await openGuestMemory(qmp, { writable: true });
    const actor = new Actor(qmp, qmpPath, channelPaths(qmpPath));
    await actor.open();
    return machineOf(qmp, actor, physical, await acceleratorOf(qmp));
  } catch (error) {
    qmp.close();
    throw error;
  }
}

function machineOf(
  qmp: QmpClient,
  actor: Actor,
  physical: OpenMemory,
  accelerator: Accelerator,
): GuestMachine {
  return {
    qmp,
    accelerator,
    physical,
    systemRegisters: () => readSystemRegisters(qmp),
    prepare: () => actor.prepare(),
    switch: (plan) => actor.switch(plan),
    stop: (plan) => actor.stop(plan),
    stopForNothing: () => actor.stopForNothing(),
    whileStopped: (work) =>
      actor.hold((seen, write, read) => work(stoppedMachine(seen.registers, write, read))),
    release: () => actor.release(),
    async close() {
      try {
        await actor.close();
      } finally {
        physical.close();
        qmp.close();
      }
    },
  };
}

function stoppedMachine(
  registers: readonly Registers[],
  write: (writes: readonly PhysicalWrite[]) => Promise<void>,
  read: (ranges: readonly { physical: number; length: number }[]) => Promise<readonly Buffer[]>,
): StoppedMachine {
  return {
    registers,
    writeCode: (space, address, bytes) => write(physicalWrites(space, address, bytes)),
    readCode: async (space, address, length) =>
      Buffer.concat(await read(physicalRanges(space, address, length))),
  };
}

async function acceleratorOf(qmp: QmpClient): Promise<Accelerator> {
  const schema = z.object({ enabled: z.boolean() });
  return checked('query-kvm', schema, await qmp.execute('query-kvm')).enabled ? 'kvm' : 'tcg';
}
