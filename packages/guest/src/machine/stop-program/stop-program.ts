import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createInterface, type Interface } from 'node:readline';
import type { Writable } from 'node:stream';
import { nativeProgram } from '@exuvia/sys';
import { GuestError } from '../../errors.ts';
import type { Gdbserver } from '../gdb/script.ts';
import { readOutcome, renderPlan, type SwitchPlan, type SwitchResult } from './plan.ts';

/**
 * The small program that carries out stops whose decisions are known beforehand (native/guest-stop): inside of
 * a pause no JavaScript has to run. It shares the gdbstub's connection with this process, which must not read
 * from it meanwhile.
 */
export class StopProgram {
  readonly #child: ChildProcess;
  readonly #input: Writable;
  readonly #lines: Interface;
  readonly #said: AsyncIterator<string>;

  /**
   * @param connection with the gdbstub.
   * @param lifeline stays open as long as the program lives: it finishes a stop that it has begun even when
   * this process is killed, and nobody must clean up after that before.
   * @throws GuestError `guest-stop-program` when it cannot be started.
   */
  static async start(connection: Socket, lifeline: Writable): Promise<StopProgram> {
    const path = nativeProgram('exuvia-guest-stop');
    const child = spawn(path, [], { stdio: ['pipe', 'pipe', 'inherit', connection, lifeline] });
    try {
      await once(child, 'spawn');
      return new StopProgram(child);
    } catch (cause) {
      throw new GuestError('guest-stop-program', `The program that stops VMs cannot be started: ${path}`, {
        cause,
        hint: 'It is part of the package; in a source tree: make -C native',
      });
    }
  }

  private constructor(child: ChildProcess) {
    const { stdin, stdout } = child;
    if (stdin === null || stdout === null) throw new Error('The program has no pipes.');
    stdin.on('error', () => undefined);
    this.#child = child;
    this.#input = stdin;
    this.#lines = createInterface({ input: stdout });
    this.#said = this.#lines[Symbol.asyncIterator]();
  }

  /** @throws GuestError as {@link readOutcome}; `guest-gdb-stopper` when the program has ended. */
  async carryOut(gdbserver: Gdbserver, plan: SwitchPlan, vcpus: readonly number[]): Promise<SwitchResult> {
    this.#input.write(renderPlan(gdbserver, plan, vcpus), 'latin1');
    const lines = [await this.#said.next(), await this.#said.next()];
    if (lines.some(({ done }) => done)) {
      throw new GuestError('guest-gdb-stopper', 'The program that stops VMs has ended in the middle.');
    }
    return readOutcome(
      gdbserver,
      plan,
      lines.map(({ value }) => value),
    );
  }

  async end(): Promise<void> {
    const runs = this.#child.exitCode === null && this.#child.signalCode === null;
    const exit = runs ? once(this.#child, 'exit') : null;
    this.#input.end();
    await exit;
    this.#lines.close();
  }
}
