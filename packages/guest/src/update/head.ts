import type { GuestKernel } from '../kinds.ts';
import { BRANCH_BYTES, CALL, ENDBR, ENDBR_POISON, INT3, JUMP, NOP5 } from '../support/x86.ts';
import { livepatchedFunctions } from './livepatched.ts';
import { movableHead } from './movable.ts';
import { refused } from './refused.ts';

/** Where a function can be diverted. */
export interface Head {
  readonly at: bigint;
  readonly kind: 'fentry' | 'moved';
  /** What is there now, as long as what is to be written. */
  readonly bytes: Buffer;
}

/** `endbr64`, and what the kernel makes of those that nothing jumps to (gen_endbr_poison, 6.1 and 6.15). */
const LANDING_PADS = [ENDBR, ENDBR_POISON, Buffer.from('0f1f40d6', 'hex')];
/** With a 32-bit and with an 8-bit distance. */
const JUMPS = [JUMP, 0xeb];

/**
 * Finds the place for a jump at the head of a function that nothing of ours is on: the NOP of five bytes that
 * ftrace keeps there, which no thread can be inside of; else whole instructions.
 *
 * @throws GuestError `guest-site-refused` for a function that is traced, probed, livepatched by the guest
 * itself, patched by somebody else, or that cannot be diverted.
 */
export async function findHead(
  kernel: GuestKernel,
  name: string,
  address: bigint,
  size: number,
): Promise<Head> {
  requireOrdinaryText(kernel, name, address);
  const bytes = kernel.space.read(address, 16);
  const pad = LANDING_PADS.some((each) => each.equals(bytes.subarray(0, 4))) ? 4 : 0;
  const five = bytes.subarray(pad, pad + BRANCH_BYTES);
  if (five.equals(NOP5)) {
    if (size < pad + BRANCH_BYTES) throw refused(`${name} has ${size} bytes, too few for a jump.`);
    return { at: address + BigInt(pad), kind: 'fentry', bytes: Buffer.from(five) };
  }
  requireUntouched(kernel, name, address, address + BigInt(pad), five);
  return { at: address, kind: 'moved', bytes: await movableHead(kernel, name, address, size) };
}

/** Code that is gone after the boot, or that runs where a patch is not mapped. */
function requireOrdinaryText({ symbols }: GuestKernel, name: string, address: bigint): void {
  const inside = (start: string, end: string) =>
    address >= symbols.one(start).address && address < symbols.one(end).address;
  if (inside('_sinittext', '_einittext')) {
    throw refused(`${name} belongs to the kernel's start and is not there any more.`);
  }
  if (inside('__entry_text_start', '__entry_text_end')) {
    throw refused(`${name} is entry code, which also runs with the page tables of user mode.`);
  }
}

function requireUntouched(
  kernel: GuestKernel,
  name: string,
  address: bigint,
  at: bigint,
  bytes: Buffer,
): void {
  const opcode = bytes[0] ?? 0;
  if (opcode === INT3 || kernel.space.read(address, 1)[0] === INT3) {
    throw refused(
      `${name} is probed: there is a breakpoint (kprobe) at its entry.`,
      'Remove the probe first.',
    );
  }
  if (opcode === CALL) {
    if (livepatchedFunctions(kernel).has(address)) {
      throw refused(
        `${name} is livepatched by the guest itself.`,
        'Disable the livepatch in the guest first.',
      );
    }
    const target = at + BigInt(BRANCH_BYTES) + BigInt(bytes.readInt32LE(1));
    const callee = kernel.symbols.at(target)?.symbol.name ?? 'a trampoline of its own';
    throw refused(
      `${name} is traced: its entry calls ${callee}.`,
      'Stop the tracer, or remove the probe (ftrace, perf, bpf), in the guest first.',
    );
  }
  if (JUMPS.includes(opcode)) {
    throw refused(
      `${name} begins with a jump that this journal does not know: somebody else has patched or probed it.`,
      'Was it patched with another --state directory, or by another host?',
    );
  }
}
