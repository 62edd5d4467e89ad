import type { PhysicalMemory } from '../kinds.ts';
import { visitRanges } from '../memory/physical.ts';

/** Guest-physical memory in a buffer, from address 0: for tests and fuzzing. */
export interface TestMemory extends PhysicalMemory {
  readonly bytes: Buffer;
  /** How often it was read: hostile data must not make this grow without a limit. */
  readonly reads: () => number;
}

export function testMemory(bytes: Buffer): TestMemory {
  const ranges = [{ start: 0, size: bytes.length }];
  let reads = 0;
  return {
    bytes,
    ranges,
    reads: () => reads,
    read(address, length) {
      reads++;
      visitRanges(ranges, address, length, () => undefined);
      return Buffer.from(bytes.subarray(address, address + length));
    },
    write(address, data) {
      visitRanges(ranges, address, data.length, () => undefined);
      bytes.set(data, address);
    },
  };
}
