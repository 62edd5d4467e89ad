import { join } from 'node:path';
import { listIfExists, readIfExists } from '../files/read.ts';
import type { MemoryType, TypedRange } from './range.ts';

/**
 * The memory map as firmware gave it, untouched by `memmap=` (arch/x86/kernel/e820.c,
 * e820_table_firmware). Empty where the kernel does not export it.
 */
export async function readFirmwareMap(directory = '/sys/firmware/memmap'): Promise<TypedRange[]> {
  const names = await listIfExists(directory);
  const ranges = await Promise.all(
    names.map(async (name): Promise<TypedRange> => {
      const read = async (file: string) => ((await readIfExists(join(directory, name, file))) ?? '').trim();
      const [start, last, type] = await Promise.all([read('start'), read('end'), read('type')]);
      return { start: Number(start), end: Number(last) + 1, type: memoryType(type) };
    }),
  );
  return ranges.sort((a, b) => a.start - b.start);
}

/** Reads the map out of a kernel log: `BIOS-e820: [mem 0x...-0x...] usable`. */
export function parseBootLogMap(log: string): TypedRange[] {
  const pattern = /BIOS-e820: \[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\]\s+(\S.*)$/gm;
  return [...log.matchAll(pattern)].map(([, start = '', last = '', type = '']) => ({
    start: Number.parseInt(start, 16),
    end: Number.parseInt(last, 16) + 1,
    type: memoryType(type.trim()),
  }));
}

/** Names of /sys/firmware/memmap and, in lower case, of boot logs (older and newer than Linux 6.16). */
const TYPES: Readonly<Record<string, MemoryType>> = {
  'system ram': 'ram',
  usable: 'ram',
  reserved: 'reserved',
  'device reserved': 'reserved',
  'acpi tables': 'acpi-tables',
  'acpi data': 'acpi-tables',
  'acpi non-volatile storage': 'acpi-nvs',
  'acpi nvs': 'acpi-nvs',
  'unusable memory': 'unusable',
  unusable: 'unusable',
  'persistent memory': 'pmem',
  'persistent (type 7)': 'pmem',
  'persistent memory (legacy)': 'legacy-pmem',
  'persistent (type 12)': 'legacy-pmem',
  'soft reserved': 'soft-reserved',
};

function memoryType(name: string): MemoryType {
  return TYPES[name.toLowerCase()] ?? 'unknown';
}
