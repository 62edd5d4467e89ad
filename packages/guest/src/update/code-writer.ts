import { overlap } from '../arena/allocate.ts';
import type { Area } from '../journal/index.ts';
import type { Accelerator, AddressSpace } from '../kinds.ts';
import type { PhysicalWrite } from '../machine/index.ts';
import { physicalWrites } from '../machine/pieces.ts';

/** How code gets to where it will run. */
interface CodeWriter {
  /**
   * Brings new code to a place that nothing runs.
   *
   * @param used places that have held code since the boot.
   * @returns what has to be written while the VM stands; everything else has been written.
   */
  place(space: AddressSpace, address: bigint, bytes: Uint8Array, used: readonly Area[]): PhysicalWrite[];
}

/**
 * TCG does not see what is written through the RAM file of code that it has translated before; it does see
 * what its gdbstub writes. Code that has never run may go through the file.
 */
const TCG: CodeWriter = {
  place(space, address, bytes, used) {
    const area = { address, length: bytes.length };
    if (used.some((each) => overlap(each, area))) return physicalWrites(space, address, bytes);
    space.write(address, bytes);
    return [];
  },
};

/** Under KVM processors see every write to memory, and whoever comes there later sees all of it. */
const KVM: CodeWriter = {
  place(space, address, bytes) {
    space.write(address, bytes);
    return [];
  },
};

/** The writer for what a VM runs on. */
export function codeWriter(accelerator: Accelerator): CodeWriter {
  return accelerator === 'kvm' ? KVM : TCG;
}
