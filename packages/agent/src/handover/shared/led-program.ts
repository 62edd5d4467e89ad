import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { ExuviaError } from '@exuvia/contract';
import { readIfExists } from '@exuvia/sys';
import { z } from 'zod';

export interface LedProgramOptions {
  readonly program: string;
  readonly args: readonly string[];
  log(message: string): void;
}

/**
 * A native program that the agent leads over a pipe: it says in lines what it does (`failed STEP WHY`, `stuck VM WHY`
 * and `lost VM WHY` are understood here), undoes its own steps when it is told to, when one fails, and when this
 * process dies.
 */
export class LedProgram {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #log: (message: string) => void;
  readonly #lines: string[] = [];
  readonly #stuck: string[] = [];
  readonly #ended: Promise<void>;
  #failure: ExuviaError | null = null;
  #over = false;
  #wake: () => void = () => {};

  constructor({ program, args, log }: LedProgramOptions) {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child = child;
    this.#name = program.split('/').at(-1) ?? program;
    this.#log = log;
    // The program may end at any moment; a write that comes too late is no error of ours.
    child.stdin?.on('error', () => {});
    const ended = Promise.withResolvers<void>();
    this.#ended = ended.promise;
    if (child.stdout !== null) createInterface(child.stdout).on('line', (line) => this.#take(line));
    child.on('error', (cause) => {
      this.#failure ??= new ExuviaError('pause-missing', `The program ${this.#name} could not be started.`, {
        cause,
        hint: 'Install the exuvia package again.',
      });
    });
    child.on('close', () => {
      this.#over = true;
      this.#wake();
      ended.resolve();
    });
  }

  get pid(): number | null {
    return this.#child.pid ?? null;
  }

  /** Resolves when the program has said the line. Throws what made it fail, `pause-failed` or `pause-ended`. */
  async until(line: string): Promise<void> {
    while (!this.#lines.includes(line)) {
      if (this.#failure !== null || this.#over) {
        throw (
          this.#failure ?? new ExuviaError('pause-ended', `The program ${this.#name} ended unexpectedly.`)
        );
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  say(line: string): void {
    if (!this.#over) this.#child.stdin?.write(`${line}\n`);
  }

  /** Resolves when the program has ended, however. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** Tells the program to undo; resolves when it has ended. Names of VMs that did not resume. */
  async abort(): Promise<readonly string[]> {
    this.say('abort');
    this.#child.stdin?.end();
    await this.#ended;
    return this.#stuck;
  }

  #take(line: string): void {
    const [word, subject, ...rest] = line.split(' ');
    if (word === 'failed') {
      this.#failure ??= new ExuviaError('pause-failed', `${rest.join(' ')}.`);
    } else if ((word === 'stuck' || word === 'lost') && subject !== undefined) {
      this.#stuck.push(subject);
    } else {
      this.#lines.push(line);
    }
    this.#log(line);
    this.#wake();
  }
}

/**
 * Waits for the end of a program that an agent led which was killed: it undoes its steps by itself, then nothing is
 * left of it.
 *
 * @param pid as the agent remembered it; anything that is no pid is passed over
 */
export async function endOfProgram(name: string, pid: unknown): Promise<void> {
  const known = z.int().safeParse(pid);
  // The kernel keeps 15 characters of a program's name (TASK_COMM_LEN).
  while (known.success && (await readIfExists(`/proc/${known.data}/comm`))?.trim() === name.slice(0, 15)) {
    await setTimeout(50);
  }
}
