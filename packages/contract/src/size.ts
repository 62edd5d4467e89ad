import { z } from 'zod';

const UNITS: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };
const PATTERN = /^([1-9][0-9]{0,6})([KMGT])(?:iB)?$/;

/** Parses a binary size such as `256M` or `2GiB` into bytes; `null` when the text is no such size. */
export function parseSize(text: string): number | null {
  const match = PATTERN.exec(text);
  const unit = match?.[2] === undefined ? undefined : UNITS[match[2]];
  return match?.[1] === undefined || unit === undefined ? null : Number(match[1]) * unit;
}

/** Formats bytes with the largest binary unit that divides them: `268435456` is `256M`. */
export function formatSize(bytes: number): string {
  for (const unit of ['T', 'G', 'M', 'K']) {
    const size = UNITS[unit] ?? 1;
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes}B`;
}

/** A size as users write it (`256M`). Kept as text in the spec; use {@link parseSize} for bytes. */
export const sizeSchema = z
  .string()
  .regex(PATTERN, 'must be a whole number followed by K, M, G or T, for example 256M')
  .describe('A size in binary units: 256M, 2G');
