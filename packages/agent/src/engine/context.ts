import { join } from 'node:path';
import { ExuviaError, type Fault, type Plan } from '@exuvia/contract';
import { readIfExists, writeFileDurably } from '@exuvia/sys';
import type { StepContext } from '../kinds.ts';

export interface ContextOptions {
  readonly plan: Plan;
  /** The update's own directory. */
  readonly directory: string;
  readonly fault: Fault | undefined;
  readonly signal: AbortSignal;
  log(message: string): void;
  pass?(point: string, when: Fault['when']): Promise<void>;
  commit?(): Promise<void>;
}

const KEY = /^[a-z0-9][a-z0-9._-]{0,60}$/;

/** What the steps of one update share. Their memory is one file a key, so that each write is atomic. */
export function createContext(options: ContextOptions): StepContext {
  const fileOf = (key: string) => {
    if (!KEY.test(key)) throw new ExuviaError('internal', `A step remembers under the bad key "${key}".`);
    return join(options.directory, 'memory', `${key}.json`);
  };
  return {
    plan: options.plan,
    directory: options.directory,
    fault: options.fault,
    signal: options.signal,
    log: (message) => options.log(message),
    pass: async (point, when) => options.pass?.(point, when),
    commit: async () => options.commit?.(),
    async remember(key, value) {
      await writeFileDurably(fileOf(key), `${JSON.stringify(value)}\n`, { mode: 0o600 });
    },
    async recall(key) {
      const text = await readIfExists(fileOf(key));
      return text === null ? undefined : parse(text, fileOf(key));
    },
  };
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ExuviaError('memory-invalid', `${file} is not JSON.`, { cause, hint: 'Move the file away.' });
  }
}
