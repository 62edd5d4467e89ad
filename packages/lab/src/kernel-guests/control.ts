import { EventEmitter, once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { ExuviaError } from '@exuvia/contract';

export interface CommandResult {
  /** 128 + signal for a command that a signal ended. */
  readonly status: number;
  /** Standard output and standard error. */
  readonly output: string;
}

/** Runs shell commands in a guest (native/kernel-guest/control.h has the protocol). */
export interface Control {
  /** Waits until the guest has been booted again. */
  ready(limitMs: number): Promise<void>;
  run(command: string, options?: { timeoutMs?: number }): Promise<CommandResult>;
  close(): void;
}

const COMMAND_LIMIT_MS = 60_000;

/** Connects to a guest that is booting; resolves when it is ready for commands. */
export async function connectControl(path: string, limitMs: number): Promise<Control> {
  const until = performance.now() + limitMs;
  const socket = await connect(path, until);
  const waiting = new Map<string, (result: CommandResult) => void>();
  const greetings = new EventEmitter<{ ready: [] }>();
  createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => {
    const [id = '', status = '', hex = ''] = line.split(' ');
    if (id === 'ready') greetings.emit('ready');
    waiting.get(id)?.({ status: Number(status), output: Buffer.from(hex, 'hex').toString() });
    waiting.delete(id);
  });
  const ready = async (ms: number) => {
    const signal = AbortSignal.any([AbortSignal.timeout(Math.max(1, Math.ceil(ms))), closed(socket)]);
    await once(greetings, 'ready', { signal }).catch((cause: unknown) => {
      throw notReady(limitMs, cause);
    });
  };
  await ready(until - performance.now());
  let next = 1;
  return {
    ready,
    run(command, options = {}) {
      const id = String(next++);
      const timeoutMs = options.timeoutMs ?? COMMAND_LIMIT_MS;
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(id);
          reject(new ExuviaError('guest-no-answer', `In the guest, \`${command}\` did not end in time.`));
        }, timeoutMs);
        waiting.set(id, (result) => {
          clearTimeout(timer);
          resolve(result);
        });
        socket.write(`${id} ${Buffer.from(command).toString('hex')}\n`);
      });
    },
    close: () => socket.destroy(),
  };
}

async function connect(path: string, until: number): Promise<Socket> {
  for (;;) {
    const socket = createConnection(path);
    const connected = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (connected) return socket.on('error', () => undefined);
    if (performance.now() > until) throw notReady(0);
    await sleep(20);
  }
}

function closed(socket: Socket): AbortSignal {
  const controller = new AbortController();
  socket.once('close', () => controller.abort());
  return controller.signal;
}

function notReady(limitMs: number, cause?: unknown): ExuviaError {
  return new ExuviaError('guest-not-ready', `The guest was not ready within ${limitMs / 1000} s.`, { cause });
}
