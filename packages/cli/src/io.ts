import { ExuviaError } from '@exuvia/contract';
import { EXIT } from './exit.ts';

/** What a command reads and writes; in tests something else than the process's own. */
export interface Io {
  readonly stdin: NodeJS.ReadStream;
  readonly color: boolean;
  /** Columns of the terminal; 80 where there is none. */
  readonly width: number;
  readonly interactive: boolean;
  /** Aborted by the first Ctrl-C, once a command has asked for it; without that Ctrl-C ends the process. */
  readonly signal: AbortSignal;
  /** Bytes are passed on as they are. */
  out(text: string | Uint8Array): void;
  err(text: string): void;
}

/** Colour only on a terminal, and never with NO_COLOR (https://no-color.org). */
export function processIo(): Io {
  const { stdin, stdout, stderr, env } = process;
  let interruption: AbortSignal | null = null;
  stdout.on('error', (error: NodeJS.ErrnoException) => endUnread(error, (text) => stderr.write(text)));
  // The result counts, not the progress that nobody reads.
  stderr.on('error', () => undefined);
  return {
    stdin,
    color: stdout.isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb',
    width: stdout.isTTY === true ? stdout.columns : 80,
    interactive: stdout.isTTY === true,
    get signal() {
      interruption ??= onInterrupt();
      return interruption;
    },
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
  };
}

/** The second Ctrl-C ends the process. */
function onInterrupt(): AbortSignal {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort(new ExuviaError('interrupted', 'Interrupted.')));
  return controller.signal;
}

/** A reader that has seen enough (`| head`) is no failure; a full disk is. */
function endUnread(error: NodeJS.ErrnoException, err: (text: string) => void): void {
  // A command that has printed all it had to say still sets its exit status.
  if (error.code === 'EPIPE') return void setImmediate(() => process.exit());
  err(`exuvia: Standard output cannot be written: ${error.message}.\n`);
  process.exit(EXIT.failed);
}
