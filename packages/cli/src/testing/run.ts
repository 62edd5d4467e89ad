import { PassThrough } from 'node:stream';
import type { Io } from '../io.ts';
import { main } from '../run.ts';

export interface Result {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly stdin?: PassThrough;
  readonly color?: boolean;
  readonly signal?: AbortSignal;
  /** Called with everything that has been printed so far, whenever something is. */
  onOutput?(printed: string): void;
}

/** Runs one command line of `exuvia` in this process. */
export async function run(args: readonly string[], options: RunOptions = {}): Promise<Result> {
  const bytes: Buffer[] = [];
  let err = '';
  let printed = '';
  const note = (text: string) => {
    printed += text;
    options.onOutput?.(printed);
  };
  const io: Io = {
    stdin: (options.stdin ?? new PassThrough()) as unknown as NodeJS.ReadStream,
    color: options.color ?? false,
    width: 100,
    interactive: false,
    signal: options.signal ?? new AbortController().signal,
    out: (text) => {
      bytes.push(Buffer.from(text));
      note(bytes.at(-1)?.toString() ?? '');
    },
    err: (text) => {
      err += text;
      note(text);
    },
  };
  const status = await main(args, io);
  return { status, out: String(Buffer.concat(bytes)), err };
}
