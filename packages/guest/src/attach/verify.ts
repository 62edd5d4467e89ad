import { GuestError } from '../errors.ts';
import type { AddressSpace, PhysicalMemory, SymbolTable } from '../kinds.ts';
import type { KernelImage } from '../locate/image.ts';
import { createAddressSpace } from '../paging/address-space.ts';
import { hex } from '../support/hex.ts';
import { KERNEL_WINDOW } from '../support/kernel-window.ts';

/**
 * The space of the kernel's own page tables, checked: they map the image where it was found, and the kernel's
 * own record of where it lies (`phys_base`) says the same.
 */
export function kernelSpace(memory: PhysicalMemory, image: KernelImage, symbols: SymbolTable): AddressSpace {
  const root = symbols.one('init_top_pgt').address;
  const mapping = image.space.translate(root);
  if (mapping === null) throw unverified('its page tables (init_top_pgt) are not mapped');
  const space = createAddressSpace(memory, mapping.physical, image.space.levels);
  const physical = space.translate(image.base)?.physical;
  if (physical !== image.physicalBase) {
    throw unverified(`its page tables do not map its start ${hex(image.base)} where the processor's do`);
  }
  const physBase = space.read(symbols.one('phys_base').address, 8).readBigInt64LE(0);
  if (physBase !== BigInt(image.physicalBase) - (image.base - KERNEL_WINDOW.start)) {
    throw unverified(`it says that it was loaded at phys_base ${physBase}, which is not where it lies`);
  }
  return space;
}

export interface Banner {
  readonly release: string;
  readonly version: string;
}

const MAX_BANNER = 1024;

/** Release and version from `linux_banner`: `Linux version RELEASE (builder) (compiler) #VERSION`. */
export function readBanner(space: AddressSpace, symbols: SymbolTable): Banner {
  const { address } = symbols.one('linux_banner');
  const size = symbols.at(address)?.size ?? 0;
  const text = space.read(address, Math.min(size, MAX_BANNER)).toString('latin1');
  const [, release, version] = /^Linux version ([!-~]{1,64}) [ -~]*(#[ -~]+)\n/.exec(text) ?? [];
  if (release === undefined || version === undefined) throw unverified('its linux_banner is no such thing');
  return { release, version };
}

function unverified(why: string): GuestError {
  return new GuestError('guest-kernel-unknown', `The guest's kernel is not understood: ${why}.`);
}
