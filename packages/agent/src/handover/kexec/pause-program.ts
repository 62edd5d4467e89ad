import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { ExuviaError, HOST_PATHS } from '@exuvia/contract';

/** The steps of exuvia-pause, in its order. */
export const PAUSE_STEPS = [
  'suspend-vms',
  'save-vms',
  'seal-state',
  'sync-file-systems',
  'commit',
  'jump',
] as const;
export type PauseStep = (typeof PAUSE_STEPS)[number];

/**
 * The running exuvia-pause, as the engine's steps see it. The protocol stands at the head of
 * native/pause/exuvia-pause.c; the program undoes its own steps when it is told to, when one fails, and when
 * this process dies.
 */
export interface PauseProgram {
  readonly pid: number | null;
  /** Resolves when every QEMU is connected and prepared. */
  ready(): Promise<void>;
  /** Starts the pause, or lets a held program go on; resolves when the step is done. */
  complete(step: PauseStep): Promise<void>;
  /** Tells the program to undo; resolves when it has ended. Names of VMs that did not resume. */
  abort(): Promise<readonly string[]>;
}

export interface PauseOptions {
  readonly plan: string;
  /** The program waits after this step until the next one is asked for. */
  readonly holdAfter?: PauseStep | undefined;
  log(message: string): void;
  readonly program?: string;
}

/** Starts exuvia-pause. */
export function startPause(options: PauseOptions): PauseProgram {
  const holds = options.holdAfter === undefined ? [] : ['--hold', options.holdAfter];
  const child = spawn(options.program ?? `${HOST_PATHS.native}/exuvia-pause`, [options.plan, ...holds], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  return new RunningPause(child, options);
}

class RunningPause implements PauseProgram {
  readonly #child: ChildProcess;
  readonly #log: (message: string) => void;
  readonly #lines: string[] = [];
  readonly #stuck: string[] = [];
  readonly #ended: Promise<void>;
  #failure: ExuviaError | null = null;
  #over = false;
  #wake: () => void = () => {};

  constructor(child: ChildProcess, options: PauseOptions) {
    this.#child = child;
    this.#log = options.log;
    // The program may end at any moment; a write that comes too late is no error of ours.
    child.stdin?.on('error', () => {});
    const ended = Promise.withResolvers<void>();
    this.#ended = ended.promise;
    if (child.stdout !== null) createInterface(child.stdout).on('line', (line) => this.#take(line));
    child.on('error', (cause) => {
      this.#failure ??= new ExuviaError('pause-missing', 'The program exuvia-pause could not be started.', {
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

  async ready(): Promise<void> {
    await this.#until('ready');
  }

  async complete(step: PauseStep): Promise<void> {
    const before = PAUSE_STEPS[PAUSE_STEPS.indexOf(step) - 1];
    this.#say(before === undefined ? 'go' : `continue ${before}`);
    await this.#until(`done ${step}`);
  }

  async abort(): Promise<readonly string[]> {
    this.#say('abort');
    this.#child.stdin?.end();
    await this.#ended;
    return this.#stuck;
  }

  #say(line: string): void {
    if (!this.#over) this.#child.stdin?.write(`${line}\n`);
  }

  #take(line: string): void {
    const [word, subject, ...rest] = line.split(' ');
    if (word === 'failed') {
      this.#failure ??= new ExuviaError('pause-failed', `${rest.join(' ')}.`);
    } else if (word === 'stuck' && subject !== undefined) {
      this.#stuck.push(subject);
    } else {
      this.#lines.push(line);
    }
    this.#log(line);
    this.#wake();
  }

  async #until(line: string): Promise<void> {
    while (!this.#lines.includes(line)) {
      if (this.#failure !== null || this.#over) {
        throw this.#failure ?? new ExuviaError('pause-ended', 'The program exuvia-pause ended unexpectedly.');
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
