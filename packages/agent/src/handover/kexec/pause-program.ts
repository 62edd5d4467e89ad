import { HOST_PATHS } from '@exuvia/contract';
import { LedProgram } from '../shared/led-program.ts';

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
  const program = new LedProgram({
    program: options.program ?? `${HOST_PATHS.native}/exuvia-pause`,
    args: [options.plan, ...holds],
    log: options.log,
  });
  return {
    pid: program.pid,
    ready: () => program.until('ready'),
    async complete(step) {
      const before = PAUSE_STEPS[PAUSE_STEPS.indexOf(step) - 1];
      program.say(before === undefined ? 'go' : `continue ${before}`);
      await program.until(`done ${step}`);
    },
    abort: () => program.abort(),
  };
}
