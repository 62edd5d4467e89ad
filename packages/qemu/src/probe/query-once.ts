import { ExuviaError } from '@exuvia/contract';
import { run } from '@exuvia/sys';
import { parseMessage } from '../qmp/messages.ts';

export interface QmpRequest {
  readonly execute: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
}

/** A QEMU without a machine, whose monitor is its standard input and output. */
const ARGUMENTS = [
  '-machine',
  'none',
  '-nodefaults',
  '-no-user-config',
  '-display',
  'none',
  '-S',
  '-qmp',
  'stdio',
];

/**
 * Starts a QEMU binary without a machine, asks, and ends it. A command that this QEMU does not know
 * returns `undefined`.
 *
 * @returns the return values in the order of `requests`.
 * @throws ExuviaError `qemu-unusable` when the binary does not answer within `timeoutMs` (default 30 s).
 */
export async function queryOnce(
  binary: string,
  requests: readonly QmpRequest[],
  options: { timeoutMs?: number } = {},
): Promise<unknown[]> {
  const lines = [{ execute: 'qmp_capabilities' }, ...requests, { execute: 'quit' }].map((request, index) =>
    JSON.stringify({ ...request, id: String(index) }),
  );
  const answers = new Map<string, unknown>();
  try {
    const { stdout } = await run(binary, ARGUMENTS, {
      input: `${lines.join('\r\n')}\r\n`,
      timeoutMs: options.timeoutMs ?? 30_000,
    });
    for (const line of stdout.split('\n').filter((text) => text.trim() !== '')) {
      const message = parseMessage(line);
      if (message.kind === 'return') answers.set(message.id, message.value);
    }
  } catch (cause) {
    throw new ExuviaError('qemu-unusable', `${binary} cannot be asked what it can do.`, {
      cause,
      hint: 'Check that QEMU is installed: apt install qemu-system-x86',
    });
  }
  if (!answers.has('0')) {
    throw new ExuviaError('qemu-unusable', `${binary} does not speak QMP.`, {
      hint: 'Check that it is a QEMU system emulator.',
    });
  }
  return requests.map((_, index) => answers.get(String(index + 1)));
}
