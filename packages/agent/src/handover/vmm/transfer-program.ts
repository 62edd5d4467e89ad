import { HOST_PATHS } from '@exuvia/contract';
import type { Successor } from '../../kinds.ts';
import { LedProgram } from '../shared/led-program.ts';

const TIMEOUT_MS = 60_000;

export interface TransferOptions {
  readonly vm: string;
  readonly successor: Successor;
  /** Gets the stamps of the transfer. */
  readonly record: string;
  /** Wait between the state's arrival and the guest's next instruction, for an injected fault. */
  readonly hold: boolean;
  log(message: string): void;
  readonly program?: string;
}

/** The running exuvia-transfer of one VM; its protocol stands at the head of native/transfer/exuvia-transfer.c. */
export interface TransferProgram {
  readonly pid: number | null;
  /** Resolves when the new QEMU has built its machine; the guest still runs in the old one. */
  ready(): Promise<void>;
  /** Resolves when the guest runs in the new QEMU. On failure it runs on in the old one when {@link abort} resolves. */
  move(held: () => Promise<void>): Promise<void>;
  /** Resolves when the program has ended; before the guest's next instruction it undoes everything. */
  abort(): Promise<readonly string[]>;
}

export function startTransfer(options: TransferOptions): TransferProgram {
  const { vm, successor, record, hold } = options;
  const sockets = [successor.oldMonitor, successor.newMonitor, successor.cpr, successor.state];
  const program = new LedProgram({
    program: options.program ?? `${HOST_PATHS.native}/exuvia-transfer`,
    args: [
      vm,
      ...sockets,
      String(successor.pid),
      record,
      String(TIMEOUT_MS),
      ...(hold ? ['--hold', 'switch'] : []),
    ],
    log: (line) => options.log(`${vm}: ${line}`),
  });
  return {
    pid: program.pid,
    ready: () => program.until('ready'),
    async move(held) {
      program.say('go');
      if (hold) {
        await program.until('held switch');
        await held();
        program.say('continue switch');
      }
      await program.until('done resume');
      await program.ended;
    },
    abort: () => program.abort(),
  };
}
