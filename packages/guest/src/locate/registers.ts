import type { QmpClient } from '@exuvia/qemu';
import { GuestError } from '../errors.ts';
import { humanCommand } from '../memory/open.ts';

/** What says where the kernel's page tables and its entry code are. */
export interface SystemRegisters {
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly idtBase: bigint;
}

/** The system registers of a vCPU. It runs on; QEMU interrupts it for microseconds. */
export async function readSystemRegisters(qmp: QmpClient): Promise<SystemRegisters> {
  return parseSystemRegisters(await humanCommand(qmp, 'info registers'));
}

/**
 * Reads HMP's `info registers` (QEMU 10.0, target/i386/cpu-dump.c).
 *
 * @throws GuestError `guest-registers` naming the register that is not in the text.
 */
export function parseSystemRegisters(text: string): SystemRegisters {
  const read = (name: string, expression: RegExp) => {
    const digits = expression.exec(text)?.[1];
    if (digits === undefined)
      throw new GuestError('guest-registers', `QEMU did not tell the register ${name}.`);
    return BigInt(`0x${digits}`);
  };
  return {
    cr0: read('CR0', /\bCR0=([0-9a-f]{1,16})\b/),
    cr3: read('CR3', /\bCR3=([0-9a-f]{1,16})\b/),
    cr4: read('CR4', /\bCR4=([0-9a-f]{1,16})\b/),
    idtBase: read('IDT', /\bIDT= +([0-9a-f]{1,16})\b/),
  };
}
