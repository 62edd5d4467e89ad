import { GuestError } from '../errors.ts';
import type { AddressSpace, PhysicalMemory } from '../kinds.ts';
import { createAddressSpace } from '../paging/address-space.ts';
import { hex } from '../support/hex.ts';
import { KERNEL_WINDOW } from '../support/kernel-window.ts';
import type { SystemRegisters } from './registers.ts';

/** CONFIG_PHYSICAL_ALIGN's least value: the image starts on such a boundary, KASLR or not. */
const ALIGNMENT = 0x20_0000n;
/** A hole in the image (freed init sections) is never longer; an image neither. */
const MAX_HOLE = 16n * 2n ** 20n;
const MAX_IMAGE = 256n * 2n ** 20n;

/** The kernel's image in virtual memory, physically contiguous, with what was freed of it left out. */
export interface KernelImage {
  /** Address of `_text`. */
  readonly base: bigint;
  readonly physicalBase: number;
  /** The space through which it was found. */
  readonly space: AddressSpace;
}

/**
 * Finds the kernel that a vCPU runs: its interrupt table's first gate leads into the image. Works in user
 * mode too, also with page table isolation, where user mode has page tables of its own beside the kernel's.
 *
 * @throws GuestError `guest-no-linux` saying what is not as Linux has it.
 */
export function findKernelImage(memory: PhysicalMemory, registers: SystemRegisters): KernelImage {
  if ((registers.cr0 & 0x8000_0001n) !== 0x8000_0001n) throw noLinux('its processor runs without paging');
  if ((registers.cr4 & 0x20n) === 0n) throw noLinux('its processor is not in 64-bit mode');
  const levels = (registers.cr4 & 0x1000n) === 0n ? 4 : 5;
  const root = registers.cr3 & 0x000f_ffff_ffff_f000n;
  // Isolated user page tables lie in the page after the kernel's (PTI_USER_PGTABLE_BIT, asm/pgtable.h).
  const roots = (root & 0x1000n) === 0n ? [root] : [root & ~0x1000n, root];
  let reason = noLinux('no page tables were tried');
  for (const candidate of roots) {
    try {
      return imageAround(createAddressSpace(memory, Number(candidate), levels), registers.idtBase);
    } catch (error) {
      if (!(error instanceof GuestError)) throw error;
      reason = error;
    }
  }
  throw reason.code === 'guest-no-linux' ? reason : noLinux('its interrupt table cannot be read', reason);
}

function imageAround(space: AddressSpace, idtBase: bigint): KernelImage {
  const handler = gateHandler(space.read(idtBase, 16));
  if (handler < KERNEL_WINDOW.start || handler >= KERNEL_WINDOW.end) {
    throw noLinux(`its interrupt handlers lie at ${hex(handler)}, outside of the kernel's window`);
  }
  let base = handler & ~(ALIGNMENT - 1n);
  let physicalBase = space.translate(base)?.physical;
  if (physicalBase === undefined)
    throw noLinux(`nothing is mapped at ${hex(base)}, below its interrupt handlers`);
  while (base > KERNEL_WINDOW.start) {
    const below = space.translate(base - ALIGNMENT)?.physical;
    if (below === undefined || below !== physicalBase - Number(ALIGNMENT)) break;
    base -= ALIGNMENT;
    physicalBase = below;
  }
  return { base, physicalBase, space };
}

/** Handler of a 64-bit gate (Intel SDM, volume 3, 6.14.1). */
function gateHandler(gate: Buffer): bigint {
  if ((gate.readUInt8(5) & 0x80) === 0) throw noLinux('the first gate of its interrupt table is empty');
  const low = BigInt(gate.readUInt16LE(0)) | (BigInt(gate.readUInt16LE(6)) << 16n);
  return low | (BigInt(gate.readUInt32LE(8)) << 32n);
}

/** Parts that are mapped, as offsets from `base`, ascending. Walks up from the base: 65,536 steps at most. */
function partsOf({ space, base, physicalBase }: KernelImage): { offset: number; size: number }[] {
  const parts: { offset: number; size: number }[] = [];
  let holeStart: bigint | null = null;
  const end = base + MAX_IMAGE < KERNEL_WINDOW.end ? base + MAX_IMAGE : KERNEL_WINDOW.end;
  for (let address = base; address < end; ) {
    const mapping = space.translate(address);
    const offset = Number(address - base);
    if (mapping === null || mapping.physical !== physicalBase + offset) {
      holeStart ??= address;
      if (address - holeStart >= MAX_HOLE) break;
      address += 4096n;
      continue;
    }
    holeStart = null;
    const size = mapping.pageBytes - (Number(address & 0xffff_ffffn) % mapping.pageBytes);
    const last = parts.at(-1);
    if (last !== undefined && last.offset + last.size === offset) last.size += size;
    else parts.push({ offset, size });
    address += BigInt(size);
  }
  return parts;
}

function noLinux(why: string, cause?: unknown): GuestError {
  return new GuestError('guest-no-linux', `No Linux kernel was found in the VM: ${why}.`, {
    hint: 'Is the guest an x86-64 Linux, and has it booted?',
    cause,
  });
}

/** A copy of the image with what was freed as zeros: at most 256 MiB. */
export function copyImage(memory: PhysicalMemory, image: KernelImage): Buffer {
  const parts = partsOf(image);
  const last = parts.at(-1);
  const bytes = Buffer.alloc(last === undefined ? 0 : last.offset + last.size);
  for (const { offset, size } of parts) {
    memory.read(image.physicalBase + offset, size).copy(bytes, offset);
  }
  return bytes;
}
