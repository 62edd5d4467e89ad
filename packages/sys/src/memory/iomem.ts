import { ExuviaError } from '@exuvia/contract';
import { readIfExists } from '../files/read.ts';
import type { MemoryRange } from './range.ts';

/** One line of /proc/iomem: what the running kernel uses a physical range for. */
export interface IomemEntry extends MemoryRange {
  readonly name: string;
  /** 0 for what lies in no other range. */
  readonly depth: number;
}

/** Reads /proc/iomem. @throws ExuviaError `iomem-hidden` when the kernel shows no addresses (not root). */
export async function readIomem(): Promise<IomemEntry[]> {
  return parseIomem((await readIfExists('/proc/iomem')) ?? '');
}

export function parseIomem(text: string): IomemEntry[] {
  const entries = text.split('\n').flatMap((line): IomemEntry[] => {
    const match = /^( *)([0-9a-f]+)-([0-9a-f]+) : (.*)$/.exec(line);
    if (!match) return [];
    const [, indent = '', start = '', last = '', name = ''] = match;
    return [
      {
        start: Number.parseInt(start, 16),
        end: Number.parseInt(last, 16) + 1,
        name,
        depth: indent.length / 2,
      },
    ];
  });
  // Without CAP_SYS_ADMIN every address reads as 0 (kernel/resource.c, r_show()).
  if (entries.length > 0 && entries.every((entry) => entry.end === 1)) {
    throw new ExuviaError('iomem-hidden', '/proc/iomem shows no addresses.', { hint: 'Run this as root.' });
  }
  return entries;
}

/** RAM that the kernel manages. RAM added by drivers later (`System RAM (kmem)`) is not meant. */
export function systemRam(iomem: readonly IomemEntry[]): IomemEntry[] {
  return iomem.filter((entry) => entry.depth === 0 && entry.name === 'System RAM');
}

/** Everything that has a place of its own inside RAM: the kernel, a crash kernel, reservations. */
export function insideRam(iomem: readonly IomemEntry[]): IomemEntry[] {
  const ram = systemRam(iomem);
  return iomem.filter(
    (entry) => entry.depth > 0 && ram.some((range) => range.start <= entry.start && entry.end <= range.end),
  );
}

/** Ranges that the kernel treats as persistent memory, emulated or real. */
export function persistentMemory(iomem: readonly IomemEntry[]): IomemEntry[] {
  return iomem.filter((entry) => /^Persistent Memory( \(legacy\))?$/.test(entry.name));
}

/** Where the running kernel's image lies; `null` when iomem does not say. */
export function kernelImage(iomem: readonly IomemEntry[]): MemoryRange | null {
  const parts = iomem.filter((entry) => /^Kernel (code|rodata|data|bss)$/.test(entry.name));
  if (parts.length === 0) return null;
  return {
    start: Math.min(...parts.map((part) => part.start)),
    end: Math.max(...parts.map((part) => part.end)),
  };
}
