import { formatSize } from '@exuvia/contract';
import { formatAddress, type MemoryRange } from './range.ts';

/**
 * One `memmap=` of the kernel command line (Documentation/admin-guide/kernel-parameters.txt, arch/x86/
 * kernel/e820.c parse_memmap_one()).
 */
export type Memmap =
  /** `nn!ss`: emulated persistent memory. */
  | ({ readonly kind: 'pmem' } & MemoryRange)
  /** `nn@ss`: RAM. */
  | ({ readonly kind: 'ram' } & MemoryRange)
  /** `nn#ss`: ACPI data. */
  | ({ readonly kind: 'acpi' } & MemoryRange)
  /** `nn$ss`: reserved. */
  | ({ readonly kind: 'reserved' } & MemoryRange)
  /** `exactmap`, `nn` (a limit), `nn%ss-old+new`: recognised, not taken apart. */
  | { readonly kind: 'other'; readonly text: string };

const KINDS = { '!': 'pmem', '@': 'ram', '#': 'acpi', $: 'reserved' } as const;

/** Reads the value of a `memmap=`, which may be a list separated by commas. */
export function parseMemmap(value: string): Memmap[] {
  return value.split(',').map(parseOne);
}

function parseOne(text: string): Memmap {
  const match = /^([^!@#$]+)([!@#$])([^!@#$]+)$/.exec(text);
  const size = parseKernelSize(match?.[1] ?? '');
  const start = parseKernelSize(match?.[3] ?? '');
  const sign = match?.[2];
  if (size === null || start === null || !(sign === '!' || sign === '@' || sign === '#' || sign === '$')) {
    return { kind: 'other', text };
  }
  return { kind: KINDS[sign], start, end: start + size };
}

/** The value of a `memmap=` that makes a range emulated persistent memory: `2G!5G`. */
export function formatPmemMemmap(range: MemoryRange): string {
  return `${formatKernelSize(range.end - range.start)}!${formatKernelSize(range.start)}`;
}

/** A number as the kernel's memparse() takes it: decimal, 0x hexadecimal or 0 octal, with K, M, G, T, P. */
export function parseKernelSize(text: string): number | null {
  const match = /^(0x[0-9a-f]+|[0-9]+)([kmgtpe]?)$/i.exec(text);
  if (match?.[1] === undefined) return null;
  const digits = match[1];
  const number = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  return number * 1024 ** ' kmgtpe'.indexOf(match[2]?.toLowerCase() || ' ');
}

function formatKernelSize(bytes: number): string {
  // Suffixes only for whole mebibytes and more: what is shorter in hexadecimal is not clearer otherwise.
  return bytes >= 2 ** 20 && bytes % 2 ** 20 === 0 ? formatSize(bytes) : formatAddress(bytes);
}
