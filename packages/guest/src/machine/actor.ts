import { rm } from 'node:fs/promises';
import { type QmpClient, queryStatus } from '@exuvia/qemu';
import { GuestError } from '../errors.ts';
import type { Registers } from '../kinds.ts';
import { type ChannelPaths, reconcileChannel, removeChannel } from './channel.ts';
import { type Control, closeControl, openControl } from './control.ts';
import type { GdbConnection } from './gdb/connection.ts';
import {
  EMPTY_STOP,
  type Gdbserver,
  inSends,
  LAST_WORD,
  lookScript,
  type PhysicalRange,
  type PhysicalWrite,
  readLook,
  verifyWrites,
  writeScript,
} from './gdb/script.ts';
import { hurry } from './priority.ts';
import type { SwitchPlan, SwitchResult } from './stop-program/plan.ts';

/** What is seen of a VM at the beginning of a stop. */
export interface Seen {
  /** Of every vCPU, in the order of their numbers. */
  readonly registers: readonly Registers[];
  /** What was asked for with `reads`, as the VM's processors see it. */
  readonly memory: readonly Buffer[];
}

export interface StopPlan {
  readonly reads: readonly PhysicalRange[];
  /**
   * Decides while the VM stands, without waiting for anything, what is written. The last that fits into one send
   * goes out together with the word to go on: that happens as a whole or not at all.
   */
  decide(seen: Seen): readonly PhysicalWrite[];
}

/**
 * Owns the control channel of a VM. One thing at a time; whoever comes meanwhile waits.
 *
 *     actor                                QEMU
 *      | gdbserver (QMP), connect --------> | the VM stops (QEMU's own habit)
 *      | continue, sent with the connect -> | and goes on
 *      | interrupt, registers, reads -----> | the VM stops
 *      | <------------------------ answers  |
 *      | writes, reads back, continue ----> | one send; the VM goes on
 *      | <------------------------ answers  | verified while it runs
 *
 * A stop whose decision is known beforehand (`switch`) is carried out by a program without JavaScript.
 */
export class Actor {
  readonly #qmp: QmpClient;
  readonly #qmpPath: string;
  readonly #paths: ChannelPaths;
  #queue: Promise<unknown> = Promise.resolve();
  #control: Control | null = null;
  #stood = false;
  #listening: (() => void) | null = null;

  constructor(qmp: QmpClient, qmpPath: string, paths: ChannelPaths) {
    this.#qmp = qmp;
    this.#qmpPath = qmpPath;
    this.#paths = paths;
  }

  /**
   * Puts right what a killed tool has left, and looks whether the VM runs.
   *
   * @throws GuestError `guest-not-running` for a VM that neither runs nor is paused.
   */
  async open(): Promise<void> {
    await reconcileChannel(this.#qmp, this.#paths);
    // What it said has been put right: whoever pauses the VM from now on means it.
    await rm(this.#paths.mark, { force: true });
    this.#listening = this.#qmp.onEvent(({ name }) => {
      if (name === 'RESUME') this.#stood = false;
      // With a control channel this comes for our own stops too, and late.
      if (name === 'STOP' && this.#control === null) this.#stood = true;
    });
    const { status } = await queryStatus(this.#qmp);
    if (status !== 'running' && status !== 'paused') {
      throw new GuestError('guest-not-running', `The VM is neither running nor paused: QEMU says ${status}.`);
    }
    this.#stood = status === 'paused';
  }

  /** The whole of a fast stop. A VM that was found standing stands afterwards. */
  stop(plan: StopPlan): Promise<{ readonly seen: Seen; readonly us: number }> {
    return this.#exclusively(async ({ gdb, gdbserver, vcpus, mark }) => {
      const before = process.hrtime.bigint();
      const { seen, goOn } = await this.#look({ gdb, gdbserver, vcpus, mark }, plan.reads);
      let last: readonly PhysicalWrite[] = [];
      try {
        const sends = inSends(gdbserver, plan.decide(seen));
        last = sends.at(-1) ?? [];
        for (const send of sends.slice(0, -1)) await writeNow(gdb, gdbserver, send);
      } catch (error) {
        if (goOn) gdb.send(LAST_WORD.continue);
        mark.set(false);
        throw error;
      }
      const script = writeScript(gdbserver, last);
      const lastWord = LAST_WORD[goOn ? 'continue' : 'stand'];
      const { answers } = await gdb.exchange(script.text + lastWord, script.answers);
      const us = Number(process.hrtime.bigint() - before) / 1000;
      mark.set(false);
      verifyWrites(gdbserver, answers, last);
      return { seen, us };
    });
  }

  /**
   * The fastest stop: what is looked for and what is written is known beforehand.
   *
   * @throws GuestError `guest-write-lost`, `guest-gdb-...`.
   */
  switch(plan: SwitchPlan): Promise<SwitchResult> {
    return this.#exclusively(async ({ gdb, gdbserver, vcpus, mark, program }) => {
      mark.set(!this.#stood);
      try {
        const result = await gdb.lend(() => program.carryOut(gdbserver, plan, vcpus));
        this.#stood = !result.ran;
        mark.set(false);
        return result;
      } catch (error) {
        // Where the channel is lost the mark says what has to be put right.
        if (!isChannelLost(error)) mark.set(false);
        throw error;
      }
    }, true);
  }

  /** A stop in which `work` may wait; used where its length does not matter. */
  hold<T>(
    work: (
      seen: Seen,
      write: (writes: readonly PhysicalWrite[]) => Promise<void>,
      read: (ranges: readonly PhysicalRange[]) => Promise<readonly Buffer[]>,
    ) => Promise<T>,
  ): Promise<{ readonly result: T; readonly us: number }> {
    return this.#exclusively(async ({ gdb, gdbserver, vcpus, mark }) => {
      const before = process.hrtime.bigint();
      const { seen, goOn } = await this.#look({ gdb, gdbserver, vcpus, mark }, []);
      try {
        const result = await work(
          seen,
          (writes) => writeNow(gdb, gdbserver, writes),
          async (ranges) => {
            const script = lookScript(gdbserver, [], ranges);
            const { answers } = await gdb.exchange(script.text, script.answers);
            return readLook(gdbserver, answers, [], ranges).memory;
          },
        );
        return { result, us: Number(process.hrtime.bigint() - before) / 1000 };
      } finally {
        if (goOn) gdb.send(LAST_WORD.continue);
        mark.set(false);
      }
    });
  }

  /** Stops the VM and lets it go on: what every stop costs, whatever is done in it. */
  stopForNothing(): Promise<void> {
    return this.#exclusively(async ({ gdb, mark }) => {
      if (this.#stood) return;
      mark.set(true);
      await gdb.interrupted(EMPTY_STOP);
      mark.set(false);
    });
  }

  /** Makes the next stop as quick as every later one. */
  prepare(): Promise<void> {
    return this.#exclusively(async () => undefined);
  }

  /** Removes the control channel; the VM is as it was found. A later stop adds it again. */
  async release(): Promise<void> {
    const done = this.#queue.then(async () => {
      const control = this.#control;
      this.#control = null;
      if (control === null) return;
      await closeControl(control, async () => {
        if (control.gdbserver === 'ours') await removeChannel(this.#qmp);
      });
    });
    this.#queue = done.catch(() => undefined);
    await done;
  }

  async close(): Promise<void> {
    await this.release();
    this.#listening?.();
  }

  /** @param inProgram whoever carries it out has its own precedence: we must not compete with the VM meanwhile. */
  #exclusively<T>(work: (control: Control) => Promise<T>, inProgram = false): Promise<T> {
    const done = this.#queue.then(async () => {
      this.#control ??= await openControl(this.#qmp, this.#qmpPath, this.#paths, {
        standing: this.#stood,
        onForeignStop: () => {
          this.#stood = true;
        },
      });
      const relax = inProgram ? () => undefined : hurry();
      try {
        return await work(this.#control);
      } catch (error) {
        if (isChannelLost(error)) await this.#abandon();
        throw error;
      } finally {
        relax();
      }
    });
    this.#queue = done.catch(() => undefined);
    return done;
  }

  /** The control channel is not understood any more: it goes, and the VM goes on by way of the monitor. */
  async #abandon(): Promise<void> {
    const control = this.#control;
    this.#control = null;
    if (control !== null) await closeControl(control, () => reconcileChannel(this.#qmp, this.#paths));
  }

  async #look(
    { gdb, gdbserver, vcpus, mark }: Pick<Control, 'gdb' | 'gdbserver' | 'vcpus' | 'mark'>,
    reads: readonly PhysicalRange[],
  ): Promise<{ readonly seen: Seen; readonly goOn: boolean }> {
    mark.set(!this.#stood);
    const script = lookScript(gdbserver, vcpus, reads);
    const { answers, stopped: goOn } = await gdb.exchange(script.text, script.answers);
    this.#stood = !goOn;
    try {
      const { registers, memory } = readLook(gdbserver, answers, vcpus, reads);
      return { seen: { registers, memory }, goOn };
    } catch (error) {
      if (goOn) gdb.send(LAST_WORD.continue);
      mark.set(false);
      throw error;
    }
  }
}

function isChannelLost(error: unknown): boolean {
  return error instanceof GuestError && error.code.startsWith('guest-gdb-');
}

async function writeNow(
  gdb: GdbConnection,
  gdbserver: Gdbserver,
  writes: readonly PhysicalWrite[],
): Promise<void> {
  for (const write of writes) {
    const script = writeScript(gdbserver, [write]);
    const { answers } = await gdb.exchange(script.text + LAST_WORD.stand, script.answers);
    verifyWrites(gdbserver, answers, [write]);
  }
}
