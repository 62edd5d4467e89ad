import { GuestError } from '../../errors.ts';
import type { Registers } from '../../kinds.ts';

/** In the order of the remote protocol (QEMU 10.0, target/i386/gdbstub.c, for x86-64). */
const GENERAL = [
  'rax',
  'rbx',
  'rcx',
  'rdx',
  'rsi',
  'rdi',
  'rbp',
  'rsp',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
] as const;

const RIP = 128;
const RFLAGS = 136;
const CS = 140;
const BYTES = 144;

/**
 * Reads the answer to a `g` packet.
 *
 * @throws GuestError `guest-gdb-protocol` when it is not an x86-64 register file.
 */
export function parseRegisters(payload: string): Registers {
  const bytes = Buffer.from(payload.slice(0, BYTES * 2), 'hex');
  if (bytes.length !== BYTES) {
    throw new GuestError(
      'guest-gdb-protocol',
      `QEMU's gdbstub answered a read of the registers with ${JSON.stringify(payload.slice(0, 40))}.`,
      { hint: 'Only x86-64 VMs can be patched.' },
    );
  }
  const general = Object.fromEntries(GENERAL.map((name, index) => [name, bytes.readBigUInt64LE(index * 8)]));
  return {
    rip: bytes.readBigUInt64LE(RIP),
    rsp: bytes.readBigUInt64LE(GENERAL.indexOf('rsp') * 8),
    rbp: bytes.readBigUInt64LE(GENERAL.indexOf('rbp') * 8),
    rflags: BigInt(bytes.readUInt32LE(RFLAGS)),
    cs: bytes.readUInt32LE(CS),
    general,
  };
}
